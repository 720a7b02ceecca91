"""Two reports side by side."""

from __future__ import annotations

from typing import Any

from edgediff.bench.charts import label
from edgediff.bench.reporting import COMPARED, Report
from edgediff_runtimes.errors import SettingError


def compare(old: Report, new: Report) -> list[dict[str, Any]]:
    """What changed from one report to another: a row for each metric of each case and work that both have.

    The two were not measured in turns, so a row's ratio is that of the medians, and its range goes from the smallest
    new to the largest old value and the other way round: it has 1 in it where the two may be the same.

    Raises:
        SettingError: They have nothing in common.
    """
    known = {(case["name"], _key(work)): work for case in old["cases"] for work in case["works"]}
    rows = []
    for case in new["cases"]:
        for work in case["works"]:
            before = known.get((case["name"], _key(work)))
            if before is not None:
                rows += [{"case": case["name"], "work": work["work"], **row} for row in _rows(before, work)]
    if not rows:
        names = [", ".join(sorted({case["name"] for case in report["cases"]})) for report in (old, new)]
        raise SettingError("compare", got=" and ".join(names), expected="reports with a case and settings in common")
    return rows


def grown(rows: list[dict[str, Any]], *, percent: float) -> list[dict[str, Any]]:
    """The rows of ``compare`` that grew by more: the median did, and even the smallest new value is above every old."""
    return [row for row in rows if row["ratio"]["median"] > 1 + percent / 100 and row["ratio"]["min"] > 1]


def missing(old: Report, new: Report) -> list[str]:
    """What the old report has measured and the new one has not, so that nobody takes it for as good as before."""
    found = {(case["name"], _key(work)) for case in new["cases"] for work in case["works"] if work["summary"]}
    return [
        label(case, work)
        for case in old["cases"]
        for work in case["works"]
        if work["summary"] and (case["name"], _key(work)) not in found
    ]


def differing_conditions(old: Report, new: Report) -> list[str]:
    """Sentences on what else differs between two reports, so that a ratio is not taken for the bundle's own."""
    told = [
        f"{name} differs: {old['machine'].get(name)} and {new['machine'].get(name)}"
        for name in ("cpu", "cores", "system", "governor", "packages")
        if old["machine"].get(name) != new["machine"].get(name)
    ]
    told += [
        f"{name} differs: {old['protocol'].get(name)} and {new['protocol'].get(name)}"
        for name in ("threads", "warmup")
        if old["protocol"].get(name) != new["protocol"].get(name)
    ]
    return told + [f"the {age} report is partial" for age, it in (("first", old), ("second", new)) if it["partial"]]


def _key(work: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((work["work"] or {}).items()))


def _rows(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for metric in COMPARED:
        old, new = before["summary"].get(metric), after["summary"].get(metric)
        if old and new and old["min"] > 0:
            ratio = {
                "median": new["median"] / old["median"],
                "min": new["min"] / old["max"],
                "max": new["max"] / old["min"],
            }
            rows.append({"metric": metric, "old": old["median"], "new": new["median"], "ratio": ratio})
    return rows
