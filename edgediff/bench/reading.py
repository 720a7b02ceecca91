"""Reports of other days and machines, read back: what ``comparing`` looks at is there and is what it should be."""

from __future__ import annotations

from pathlib import Path

from edgediff.bench.reporting import COMPARED, FORMAT, Report
from edgediff_runtimes.errors import ComponentFileError, ManifestError, SettingError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.documents import read_json

_MAJOR = "1."
_SCALARS = (str, int, float, type(None))


def read_report(path: Path) -> Report:
    """Read a report.

    Raises:
        SettingError: The file cannot be read or is no report of a version that is known here.
    """
    expected = f"a report of `edgediff bench --json`, version {_MAJOR}x"
    try:
        report: Report = read_json(path, name=path.name)
        if report.get("format") != FORMAT or not str(report.get("format_version")).startswith(_MAJOR):
            raise SettingError("compare", got=str(path), expected=expected)
        _check(Fields(report))
    except (ComponentFileError, ManifestError) as error:
        problem = error.problem if isinstance(error, ManifestError) else f"it {error.problem}"
        raise SettingError("compare", got=str(path), expected=f"{expected} ({problem})") from error
    return report


def _check(report: Fields) -> None:
    if not isinstance(report.values.get("partial"), bool):
        raise report.fail("partial", "true or false")
    report.mapping("machine")
    report.mapping("protocol")
    for case in report.objects("cases"):
        case.string("name")
        for work in case.objects("works"):
            summary = work.fields("summary")
            if work.values.get("work") is not None or summary.values:
                _check_work(work.fields("work"))
            for metric in COMPARED:
                _check_summary(summary, metric)


def _check_work(work: Fields) -> None:
    """What is told of it, and no lists: works are compared as they are."""
    for name in ("batch", "steps"):
        work.integer(name, minimum=1)
    for name, value in work.values.items():
        if not isinstance(value, _SCALARS):
            raise work.fail(name, "a number or a text")
    if missing := [name for name in ("width", "height") if name not in work.values]:
        raise work.fail(missing[0], "a whole number, or null")


def _check_summary(summary: Fields, metric: str) -> None:
    if summary.values.get(metric) is None:
        return
    figures = summary.fields(metric)
    least, median, most = (figures.number(name) for name in ("min", "median", "max"))
    if not least <= median <= most:
        raise summary.fail(metric, "`min`, `median` and `max` in this order")
