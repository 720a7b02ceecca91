"""``edgediff models``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgediff.cli.command import Command

if TYPE_CHECKING:
    from edgediff_runtimes.bundle import Bundle


@click.command(
    "models",
    cls=Command,
    examples=("edgediff models", "edgediff models ~/bundles", "edgediff models . --json"),
)
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, folders: tuple[Path, ...], as_json: bool) -> None:
    """List the models that came with the package, and the bundles in each FOLDER.

    The name in the first column is what `run -m` takes.
    """
    from edgediff.api import shipped_models

    rows = [_row(name, name) for name in shipped_models()]
    rows += [row for folder in folders for row in _rows(folder)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from edgediff.cli.tables import print_table
    from edgediff_runtimes.plain import readable_bytes

    columns = ("model", "family", "tasks", "precision", "size", "pictures", "steps", "guidance")
    cells = [
        (
            row["model"],
            row["family"],
            ", ".join(row["tasks"]),
            ", ".join(row["precisions"]),
            readable_bytes(row["bytes"]),
            f"{row['width']}x{row['height']}",
            row["steps"],
            "-" if row["guidance"] is None else f"{row['guidance']:g}",
        )
        for row in rows
        if "problem" not in row
    ]
    print_table("Models", columns, cells)
    for row in rows:
        if "problem" in row:
            click.echo(f"{row['model']}: {row['problem']}", err=True)


def _rows(folder: Path) -> list[dict[str, Any]]:
    """The folder itself where it is a bundle, else the bundles right inside it; what cannot be read is a problem."""
    from edgediff_runtimes.bundle.bundle import MODEL_INDEX
    from edgediff_runtimes.bundle.manifest import MANIFEST_NAME
    from edgediff_runtimes.errors import SettingError

    def row(path: Path) -> dict[str, Any] | None:
        try:
            if (path / MANIFEST_NAME).is_file() or (path / MODEL_INDEX).is_file():
                return _row(str(path), path)
        except OSError as error:
            return {"model": str(path), "problem": f"it cannot be read ({error.strerror or error})"}
        return None

    try:
        own = row(folder)
        found = [own] if own is not None else map(row, sorted(folder.iterdir()))
        return [each for each in found if each is not None]
    except OSError as error:
        raise SettingError("folder", got=str(folder), expected=f"a folder ({error.strerror})") from error


def _row(model: str, place: str | Path) -> dict[str, Any]:
    from edgediff.api import open_bundle
    from edgediff_runtimes.errors import BundleError

    try:
        bundle = open_bundle(place)
    except BundleError as error:
        return {"model": model, "problem": error.sentence}
    return {"model": model, "path": str(bundle.path), **_facts(bundle)}


def _facts(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    components = manifest.components.values()
    return {
        "family": manifest.family,
        "tasks": list(manifest.tasks),
        "precisions": sorted({component.precision for component in components}),
        "bytes": sum(entry.bytes for component in components for entry in component.files),
        "width": manifest.defaults.width,
        "height": manifest.defaults.height,
        "steps": manifest.defaults.steps,
        "guidance": manifest.defaults.guidance if "guidance" in manifest.recipe.options else None,
    }
