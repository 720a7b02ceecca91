"""``edgediff bench``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgediff.cli import completion
from edgediff.cli.bench_options import SECTIONS
from edgediff.cli.command import Command
from edgediff.cli.streams import check_stdout

if TYPE_CHECKING:
    from edgediff.bench.measuring import Progress
    from edgediff.bench.reporting import Report
    from edgediff.bench.request import Request
    from edgediff.bench.verdict import Limits

_TARGETS: dict[str, tuple[str, ...]] = {"json": (".json",), "html": (".html", ".htm"), "plot": (".svg",)}
_STDOUT = Path("-")


@click.command(
    "bench",
    cls=Command,
    sections=SECTIONS,
    examples=(
        "edgediff bench emoji-lcm",
        "edgediff bench fp32 int8 --steps 4 --steps 8 --html cost.html",
        "edgediff bench emoji --engine onnxruntime --engine openvino --json cost.json",
        "edgediff bench fp32 int8 mixed --min-psnr 35 --max-memory 2GB  # which is the fastest of those",
        "edgediff bench --compare old.json new.json",
        "edgediff bench --compare old.json new.json --fail-above 10  # exit code 1 above 10 % more",
    ),
)
@click.argument("bundles", nargs=-1, metavar="[BUNDLE]...", shell_complete=completion.models)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    compare: tuple[Path, Path] | None,
    fail_above: float | None,
    max_memory: int | None,
    min_psnr: float | None,
    json: Path | None,
    html: Path | None,
    plot: Path | None,
    overwrite: bool,
    **asked: Any,  # noqa: ANN401 - the fields of ``Request``
) -> None:
    """Measure what BUNDLE costs on this device: time, memory, energy, distance to the machine's limit.

    BUNDLE is a directory or the name of a shipped model. Several bundles, devices or engines are measured in turns.
    """
    if compare is not None:
        _compare(ctx, *compare, fail_above=fail_above)
        return
    from edgediff.bench.request import Request
    from edgediff.bench.verdict import Limits

    if fail_above is not None:
        raise click.UsageError("--fail-above goes with --compare OLD.json NEW.json")
    if not asked["bundles"]:
        raise click.UsageError("expected a BUNDLE to measure, or --compare OLD.json NEW.json")
    if json == _STDOUT:
        check_stdout("--json -")
    targets = {"json": None if json == _STDOUT else json, "html": html, "plot": plot}
    given = {name: path for name, path in targets.items() if path is not None}
    _check_targets(given, overwrite=overwrite)
    report = _measure(Request(**asked), given, overwrite=overwrite, show=_print if json != _STDOUT else _print_json)
    if not _tell_verdict(report, Limits(memory=max_memory, psnr_db=min_psnr), err=json == _STDOUT):
        ctx.exit(1)


def _check_targets(targets: dict[str, Path], *, overwrite: bool) -> None:
    from edgediff.targets import check_target

    for name, path in targets.items():
        check_target(name, path, suffixes=_TARGETS[name], overwrite=overwrite)


def _measure(request: Request, targets: dict[str, Path], *, overwrite: bool, show: Callable[[Report], None]) -> Report:
    """Measure with a progress bar; what there is of a report is written also when an error or a signal ends it."""
    from edgediff.bench.measuring import bench
    from edgediff.cli.progress import progress

    latest: list[Report] = []
    written: dict[str, Path] = {}

    def write(report: Report, *names: str) -> None:
        for name in names:
            if name in targets:
                written[name] = _write(report, name, written.get(name) or _own(targets[name], overwrite=overwrite))

    def keep(report: Report) -> None:
        latest[:] = [report]
        write(report, "json")  # at once: not every end of a process can be caught

    try:
        with progress("checking") as display:

            def tell(event: Progress) -> None:
                display(event.now, event.done, event.total)

            return bench(request, on_progress=tell, on_report=keep)
    finally:
        for report in latest:
            try:
                write(report, "html", "plot")
            finally:
                show(report)
                _tell_doubts(report)
        for path in written.values():
            click.echo(f"wrote {path}", err=True)


def _own(path: Path, *, overwrite: bool) -> Path:
    from edgediff.targets import still_free

    return path if overwrite else still_free(path)


def _write(report: Report, name: str, path: Path) -> Path:
    from edgediff.bench.page import write_page, write_plot
    from edgediff.bench.reporting import write_json

    {"json": write_json, "html": write_page, "plot": write_plot}[name](report, path)
    return path


def _print_json(report: Report) -> None:
    from edgediff.bench.reporting import json_text

    click.echo(json_text(report), nl=False)


def _print(report: Report) -> None:
    from edgediff.bench import figures
    from edgediff.bench.charts import label
    from edgediff.cli.tables import print_table

    mark = " (partial)" if report["partial"] else ""
    for index, _ in enumerate(report["cases"][0]["works"]):
        for case in report["cases"]:
            work = case["works"][index]
            if work["summary"]:
                print_table(label(case, work) + mark, figures.METRIC_COLUMNS, figures.metric_rows(work))
                print_table("Its graphs", figures.COMPONENT_COLUMNS, figures.component_rows(case, work), apart=True)
                if rows := figures.operator_rows(work):
                    print_table("Their operators", figures.OPERATOR_COLUMNS, rows, apart=True)
                if rows := figures.sustained_rows(work):
                    print_table("Picture after picture", figures.SUSTAINED_COLUMNS, rows, apart=True)
        if rows := figures.ratio_rows(report, index):
            print_table("Ratios, round by round", figures.RATIO_COLUMNS, rows, apart=True)
    print_table("Conditions", ("condition", ""), figures.condition_lines(report), apart=True)


def _tell_doubts(report: Report) -> None:
    from edgediff.bench.trust import doubts

    for doubt in doubts(report):
        click.echo(f"note: {doubt}", err=True)


def _tell_verdict(report: Report, limits: Limits, *, err: bool) -> bool:
    """Say which case is the fastest where there are several, or limits; False where none keeps to them."""
    from edgediff.bench.verdict import verdicts

    if len(report["cases"]) == 1 and not limits.asked():
        return True
    found = verdicts(report, limits)
    for verdict in found:
        click.echo("\n" + "\n".join(verdict.lines), err=err)
    return all(verdict.fastest is not None for verdict in found)


def _compare(ctx: click.Context, old: Path, new: Path, *, fail_above: float | None) -> None:
    from edgediff.bench import figures
    from edgediff.bench.comparing import compare, differing_conditions, grown, missing
    from edgediff.bench.reading import read_report
    from edgediff.cli.tables import print_table

    given = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name not in ("compare", "fail_above")
        and ctx.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"--compare goes alone: got {given[0]} beside it")
    before, after = read_report(old), read_report(new)
    rows = compare(before, after)
    for sentence in differing_conditions(before, after):
        click.echo(f"note: {sentence}", err=True)
    print_table(f"{old} and {new}", figures.COMPARISON_COLUMNS, figures.comparison_rows(rows))
    if fail_above is None:
        return
    faults = [f"{figures.growth(row)}, more than {fail_above:g} %" for row in grown(rows, percent=fail_above)]
    faults += [f"{what} is not in {new}" for what in missing(before, after)]
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        ctx.exit(1)
