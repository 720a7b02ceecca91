"""``edgediff inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgediff.cli import completion
from edgediff.cli.command import Command

if TYPE_CHECKING:
    from edgediff_runtimes.bundle import Bundle, Component, Manifest

_LONGEST_FACT = 2000  # characters
_NAMES = 8  # of classes


@click.command(
    "inspect",
    cls=Command,
    examples=(
        "edgediff inspect emoji-lcm",
        "edgediff inspect my-bundle --grid grid.png --plot quality.svg",
        "edgediff inspect apple.png",
    ),
)
@click.argument("bundle", shell_complete=completion.models_and_pictures)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@click.option(
    "--grid",
    type=click.Path(path_type=Path),
    metavar="FILE.png",
    help="Draw the record's pictures again: fp32, this bundle, their difference.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.svg",
    help="Chart the quality: error by noise level, what each component costs, the search.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def command(*, bundle: str, as_json: bool, grid: Path | None, plot: Path | None, overwrite: bool) -> None:
    """Show what a bundle holds, how exact it is and where it comes from; or what a picture of ours was drawn with.

    BUNDLE is a directory, the name of a shipped model, or a PNG, JPEG or WebP that `edgediff run` wrote.
    """
    from edgediff.api import open_bundle
    from edgediff.cli.picture_facts import print_picture
    from edgediff.targets import check_target

    if Path(bundle).is_file():
        if grid is not None or plot is not None:
            raise click.UsageError(f"--grid and --plot are of a bundle: {bundle} is a file")
        print_picture(Path(bundle), as_json=as_json)
        return
    for name, path, suffix in (("grid", grid, ".png"), ("plot", plot, ".svg")):
        if path is not None:
            check_target(name, path, suffixes=(suffix,), overwrite=overwrite)
    opened = open_bundle(bundle)
    if plot is not None:
        _write_plot(opened, plot)
    if grid is not None:
        _write_grid(opened, grid, overwrite=overwrite)
    if as_json:
        click.echo(opened.manifest.to_json(), nl=False)
    else:
        print_bundle(opened)


def _write_plot(opened: Bundle, path: Path) -> None:
    from edgediff.inspection.charts import charts
    from edgediff.svg import stacked
    from edgediff.targets import write_whole
    from edgediff_runtimes.errors import SettingError

    report = opened.manifest.quality
    if report is None:
        raise SettingError("plot", got=opened.path.name, expected="a bundle whose quality was measured at its export")
    write_whole(path, stacked(charts(report)))


def _write_grid(opened: Bundle, path: Path, *, overwrite: bool) -> None:
    from edgediff.cli.progress import progress
    from edgediff.inspection.grid import quality_grid
    from edgediff_runtimes.picture_files import save_image

    with progress("pictures") as show:
        sheet = quality_grid(opened, on_progress=show)
    save_image(sheet, path, overwrite=overwrite)


def print_bundle(opened: Bundle) -> None:
    """Print components and facts of a bundle."""
    from edgediff.cli.quality_tables import print_quality
    from edgediff.cli.tables import print_table
    from edgediff.cli.tune import print_reuse
    from edgediff_runtimes.errors import shown
    from edgediff_runtimes.plain import readable_bytes

    manifest = opened.manifest
    print_table(
        f"{opened.path.name}: {manifest.family}" + (" (manifest derived)" if opened.derived else ""),
        ("component", "format", "precision", "size", "largest error", "inputs -> outputs"),
        [
            (
                role,
                component.format,
                component.precision,
                readable_bytes(sum(entry.bytes for entry in component.files)),
                _error(component),
                _signature(component),
            )
            for role, component in manifest.components.items()
        ],
    )
    provenance = manifest.provenance
    facts = {
        **_target(manifest),
        "tasks": ", ".join(manifest.tasks),
        "scheduler": f"{manifest.scheduler['_class_name']}, predicts {manifest.scheduler.get('prediction_type', '-')}",
        **_asked(manifest),
        "source": provenance.source,
        "licence": provenance.licence or "not stated",
        "model card": provenance.card.path if provenance.card else "none",
        **({"LoRAs": ", ".join(f"{one.name} · {one.scale:g}" for one in provenance.loras)} if provenance.loras else {}),
        "exported": provenance.date or "unknown",
        "tools": ", ".join(f"{name} {version}" for name, version in provenance.tools.items()) or "unknown",
    }
    for name, text in facts.items():
        click.echo(f"{name + ':':12} {shown(text, most=_LONGEST_FACT)}")
    if manifest.quality is None:
        click.echo(f"{'quality:':11} not measured")
    else:
        print_quality(manifest.quality)
    if manifest.reuse:
        print_reuse(manifest.reuse)


def _target(manifest: Manifest) -> dict[str, str]:
    """What the graphs are for, where it is not any processor."""
    from edgediff_runtimes.plain import readable_bytes

    if manifest.target is None:
        return {}
    graphs = [graph for component in manifest.components.values() for graph in component.fixed]
    beside = sum(entry.bytes for graph in graphs if graph.package is not None for entry in graph.package.files)
    sizes = ", ".join(f"{width}x{height}" for width, height in manifest.sizes)
    packages = f"; packages beside the graphs: {readable_bytes(beside)}" if beside else ""
    return {"target": f"{manifest.target}, {sizes}{packages}"}


def _asked(manifest: Manifest) -> dict[str, str]:
    """What a run takes, and what it draws in."""
    defaults, recipe = manifest.defaults, manifest.recipe
    space, labels = recipe.first.space, recipe.labels
    guidance = f", guidance {defaults.guidance:g}" if "guidance" in recipe.options else ""
    size = "" if defaults.width is None else f"{defaults.width}x{defaults.height}, "
    facts = {
        "defaults": f"{size}{defaults.steps} steps{guidance}",
        "latents": f"{space.channels} channels, " + (f"factor {space.factor}" if space.factor > 1 else "the pixels"),
        "prompts": ", ".join(f"{one.max_tokens} tokens" for one in manifest.tokenizers) or "none",
    }
    if labels is not None:
        facts["labels"] = f"0 to {(labels.below or 1) - 1}" + "".join(f", {name}" for name in [*labels.names][:_NAMES])
    return facts


def _error(component: Component) -> str:
    if not component.checks:
        return "not measured"
    error = f"{max(check.error for check in component.checks):.1e}"
    return error if component.tolerance is None else f"{error} of {component.tolerance:.0e} allowed"


def _signature(component: Component) -> str:
    if not component.inputs:
        return "not recorded"
    return f"{', '.join(map(str, component.inputs))} -> {', '.join(map(str, component.outputs))}"
