"""``edgediff verify``."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from edgediff.cli import completion
from edgediff.cli.by_component import by_component
from edgediff.cli.by_component import components as components_
from edgediff.cli.command import Command

if TYPE_CHECKING:
    from edgediff_runtimes.components import Computed
    from edgediff_runtimes.quality.claims import Figure


@click.command(
    "verify",
    cls=Command,
    examples=(
        "edgediff verify my-bundle",
        "edgediff verify my-bundle --quick",
        "edgediff verify my-bundle --device gpu",
        "edgediff verify my-bundle --against SOURCE",
    ),
)
@click.argument("bundle", shell_complete=completion.models)
@click.option("--against", metavar="SOURCE", help="Compare every graph with the model it was exported from.")
@click.option("--config", metavar="MODEL", help="For a single-file SOURCE, as in `edgediff export`.")
@click.option(
    "--engine",
    multiple=True,
    metavar="[COMPONENT=]NAME",
    shell_complete=completion.engines,
    help="Load, compare and measure with this engine; repeat it per component. "
    "Default: that of each graph; to measure, that of the export.",
)
@click.option(
    "--device",
    multiple=True,
    metavar="[COMPONENT=]DEVICE",
    shell_complete=completion.devices,
    help="Load, compare and measure on this device; repeat it per component. Default: as the engine.",
)
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="ROLE=SOURCE",
    callback=components_,
    help="As in the export: a component of the SOURCE that came from elsewhere.",
)
@click.option("--quick", is_flag=True, help="Only hashes and graphs: do not draw to measure quality again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    bundle: str,
    against: str | None,
    config: str | None,
    engine: tuple[str, ...],
    device: tuple[str, ...],
    components: dict[str, str],
    quick: bool,
    as_json: bool,
) -> None:
    """Check that a bundle is what was exported, that its graphs load, and that it is as good as it claims.

    BUNDLE is a directory, or the name of a shipped model.
    """
    if config is not None and against is None:
        raise click.UsageError("--config has the configs of the SOURCE of --against: expected both, or neither")
    if components and against is None:
        raise click.UsageError("--component is of the SOURCE of --against: expected both, or neither")
    from edgediff.api import verify
    from edgediff.cli.progress import progress

    with progress("hashes and graphs") as show:
        report = verify(
            bundle,
            against=against,
            config=config,
            components=components,
            engine=by_component("--engine", engine),
            device=by_component("--device", device),
            quick=quick,
            on_progress=show,
        )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report), indent=2))
        return
    click.echo(f"{report.files} files are what was exported, {report.graphs} graphs load")
    for role, error in report.errors.items():
        allowed = report.tolerances.get(role)
        bound = "no bound for this precision" if allowed is None else f"{allowed:.0e} allowed"
        click.echo(f"{role}: error {error:.1e}, {bound}")
    for role, reason in report.not_compared.items():
        click.echo(f"{role}: not compared, because {reason}")
    if report.figures:
        _print_figures(report.figures)
        _print_computed(report.computed)
    elif not quick:
        click.echo(f"nothing measured: {report.not_measured}")


def _print_figures(figures: tuple[Figure, ...]) -> None:
    """The figures of the whole and of the components; those of single pictures and noise levels are only counted."""
    from edgediff.cli.tables import print_table

    whole = [figure for figure in figures if figure.summary]
    print_table(
        f"quality as claimed: all {len(figures)} figures hold",
        ("figure", "claimed", "measured", "at least"),
        [(one.name, *map(one.text, (one.claimed, one.measured, one.least))) for one in whole],
    )


def _print_computed(computed: dict[str, Computed]) -> None:
    """Who computed each component; nothing where none was measured."""
    from edgediff.cli.tables import print_table
    from edgediff.shares import shares_text

    if computed:
        print_table(
            "computed by",
            ("component", "engine", "in", "by (share of the time)"),
            [(role, how.engine, how.execution, shares_text(how.shares)) for role, how in computed.items()],
            apart=True,
        )
