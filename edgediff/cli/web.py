"""``edgediff web``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgediff.cli.command import Command


@click.command(
    "web",
    cls=Command,
    examples=(
        "edgediff web emoji-lcm site",
        "edgediff web my-bundle site --overwrite",
        "edgediff web my-bundle site --wasm node_modules/onnxruntime-web",
    ),
)
@click.argument("bundle")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--wasm",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Take ONNX Runtime's web library from this folder: the npm package, unpacked.  [default: fetched once]",
)
@click.option("--overwrite", is_flag=True, help="Replace a folder that this command wrote.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, bundle: str, folder: Path, wasm: Path | None, overwrite: bool, as_json: bool) -> None:
    """Write a folder with a page that draws BUNDLE in a browser: WebGPU where there is one, else WASM.

    Any static server does; `python -m http.server -d DIR` on this machine.
    """
    from edgediff.browser.folder import web
    from edgediff.cli.progress import progress
    from edgediff_runtimes.plain import readable_bytes

    with progress("reading the bundle") as show:
        report = web(bundle, folder, wasm=wasm, overwrite=overwrite, on_progress=show)
    if as_json:
        values = {
            "folder": str(report.path),
            "files": report.files,
            "bytes": report.bytes,
            "library": report.library,
            "left_out": list(report.left_out),
        }
        click.echo(json.dumps(values, indent=2))
        return
    click.echo(str(report.path))
    if report.left_out:
        click.echo(f"the page has no place for {', '.join(report.left_out)}", err=True)
    told = f"{report.files} files, {readable_bytes(report.bytes)}; {report.library}"
    click.echo(f"{told}. See it: python -m http.server -d {folder}", err=True)
