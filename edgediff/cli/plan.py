"""``edgediff plan``."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from edgediff.cli import completion
from edgediff.cli.command import Command
from edgediff.cli.plan_options import SECTIONS
from edgediff.cli.streams import check_stdout

if TYPE_CHECKING:
    from edgediff.planning.measuring import Progress
    from edgediff.planning.plan import Plan

_STDOUT = Path("-")
_SHOWN = 12  # of the candidates that were not chosen


@click.command(
    "plan",
    cls=Command,
    sections=SECTIONS,
    examples=(
        "edgediff plan fp32 w8 int8 --memory 8GB --latency 20s  # which to ship for such a laptop",
        "edgediff plan emoji --min-psnr 35 --apply plan.json",
        "edgediff plan my-bundle --size 1024x1024 --memory 4GB --plot plan.svg --json plan-report.json",
    ),
)
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...", shell_complete=completion.models)
def command(
    *,
    size: tuple[int, int] | None,
    apply_to: Path | None,
    json: Path | None,
    plot: Path | None,
    show_all: bool,
    overwrite: bool,
    engines: tuple[str, ...],
    devices: tuple[Any, ...],
    executions: tuple[Any, ...],
    **asked: Any,  # noqa: ANN401 - the others that ``edgediff.plan`` takes
) -> None:
    """Find out which BUNDLE to take on this machine, on which engine and with which settings, within a budget.

    BUNDLE is a directory or the name of a shipped model; name several of one model, such as fp32, w8 and int8. Each is
    measured in short runs, a few minutes at most; what was measured is kept. Exit code 1 where nothing keeps to the
    budget: then the nearest plan is shown.
    """
    from edgediff.planning.planner import plan
    from edgediff_runtimes.errors import BudgetError

    _check_targets({"json": json, "plot": plot, "apply": apply_to}, overwrite=overwrite)
    width, height = size or (None, None)
    refused: BudgetError | None = None
    with ExitStack() as bar:
        try:
            made = plan(
                **asked,
                width=width,
                height=height,
                engine=engines or None,
                device=devices,
                execution=executions,
                on_progress=lambda event: _tell(event, bar),
            )
        except BudgetError as error:
            refused, made = error, cast("Plan", error.nearest)
    _report(made, json=json, plot=plot, show_all=show_all)
    if refused is not None:
        raise refused
    if apply_to is not None:
        made.save_settings(apply_to, overwrite=overwrite)
        click.echo(f"wrote {apply_to}", err=True)


def _check_targets(targets: dict[str, Path | None], *, overwrite: bool) -> None:
    from edgediff.targets import check_target

    files = [(name, path.resolve()) for name, path in targets.items() if path is not None and path != _STDOUT]
    for (name, one), (other, another) in itertools.combinations(files, 2):
        if one == another:
            raise click.UsageError(f"--{name} and --{other} name the same file: expected two")
    for name, path in targets.items():
        if path == _STDOUT and name == "json":
            check_stdout("--json -")
        elif path is not None:
            check_target(name, path, suffixes=(".svg",) if name == "plot" else (".json",), overwrite=overwrite)


def _tell(event: Progress, bar: ExitStack) -> None:
    """What was just measured as a line that stays, and a bar on what is measured now."""
    from edgediff.cli.progress import progress
    from edgediff.planning.measuring import in_words

    bar.close()
    if event.last is not None:
        click.echo(in_words(event.last), err=True)
    if event.done < event.total:
        show = bar.enter_context(progress(event.now, total=event.total))
        show(event.now, event.done, event.total)


def _report(made: Plan, *, json: Path | None, plot: Path | None, show_all: bool) -> None:
    """Write what was asked for; without a JSON on stdout, print the tables."""
    from edgediff.planning.picture import plan_picture
    from edgediff.targets import write_whole

    if plot is not None:
        write_whole(plot, plan_picture(made))
        click.echo(f"wrote {plot}", err=True)
    if json == _STDOUT:
        click.echo(made.to_json(), nl=False)
        return
    if json is not None:
        made.save_json(json)
        click.echo(f"wrote {json}", err=True)
    _print(made, show_all=show_all)


def _print(made: Plan, *, show_all: bool) -> None:
    from edgediff.cli.tables import print_table
    from edgediff.planning import tables
    from edgediff.planning.plan import described, figures_in_words

    choice = made.choice
    word = "Plan" if choice.fits else "Nearest plan"
    print_table(f"{word}: {described(choice.plan)}", tables.COMPONENT_COLUMNS, tables.component_rows(made))
    click.echo(f"{figures_in_words(choice.plan)}" + (f"; {choice.plan.unproven}" if choice.plan.unproven else ""))
    if rows := list(tables.trade_rows(made)):
        print_table(
            "What each setting does, against the same plan with another", tables.TRADE_COLUMNS, rows, apart=True
        )
    if rows := list(tables.rejected_rows(made)):
        left = 0 if show_all else max(len(rows) - _SHOWN, 0)
        print_table("Not chosen", tables.CANDIDATE_COLUMNS, rows[: len(rows) - left], apart=True)
        if left:
            click.echo(f"and {left} more: --all shows them")
    for one in made.excluded:
        click.echo(f"note: {one.name}: {one.reason}", err=True)
    for doubt in made.doubts():
        click.echo(f"note: {doubt}", err=True)
