"""``edgediff export``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgediff_exporters import ExportProgress


@click.command("export")
@click.argument("source")
@click.argument("bundle", type=click.Path())
@click.option("--format", "format_", default="onnx", show_default=True, help="Format of the graphs: onnx.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="[COMPONENT=]P",
    help="fp32 (default), fp16, or weights alone, with fp32 arithmetic: w16 (fp16) or w8 (int8). Repeat it per "
    "component: `--precision fp16 --precision vae_decoder=fp32`.",
)
@click.option("--config", metavar="DIR", help="For a single-file SOURCE: a diffusers directory with its configs.")
@click.option(
    "--default",
    "defaults",
    multiple=True,
    metavar="FIELD=NUMBER",
    help="What the bundle recommends: steps, guidance, width or height.  [default: the family's]",
)
@click.option("--overwrite", is_flag=True, help="Replace BUNDLE if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written and measured as JSON.")
def command(
    *,
    source: str,
    bundle: str,
    format_: str,
    precisions: tuple[str, ...],
    config: str | None,
    defaults: tuple[str, ...],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Turn a trained model into a bundle.

    SOURCE is a diffusers directory, a `.safetensors` checkpoint or a model id of the hub;
    BUNDLE is the directory to write.
    """
    from edgediff.api import export, open_bundle
    from edgediff.cli.inspect import print_bundle
    from edgediff.cli.progress import progress

    with progress() as display:
        task = display.add_task("reading the source", total=None)

        def show(event: ExportProgress) -> None:
            display.update(
                task, description=f"{event.component}: {event.stage}", completed=event.done, total=event.total
            )

        export(
            source,
            bundle,
            format=format_,
            precision=_precision(precisions),
            config=config,
            defaults=dict(map(_default, defaults)),
            overwrite=overwrite,
            on_progress=show,
        )
    opened = open_bundle(bundle)
    if as_json:
        click.echo(json.dumps({"bundle": bundle, "manifest": json.loads(opened.manifest.to_json())}, indent=2))
    else:
        print_bundle(opened)


def _default(text: str) -> tuple[str, float]:
    """``guidance=3.5``: a name and a number."""
    name, _, value = text.partition("=")
    try:
        number = json.loads(value)
    except ValueError:
        number = None
    if not isinstance(number, int | float):
        raise click.UsageError(f"--default is {text!r}: expected FIELD=NUMBER such as steps=20")
    return name, number


def _precision(values: tuple[str, ...]) -> str | dict[str, str]:
    """``("fp16", "vae_decoder=fp32")`` as the API takes it."""
    common = [value for value in values if "=" not in value]
    if len(common) > 1:
        raise click.UsageError(f"--precision names {' and '.join(common)} for all components: expected one")
    special = dict(value.split("=", 1) for value in values if "=" in value)
    default = common[0] if common else "fp32"
    return {"*": default, **special} if special else default
