"""Which charts a report gives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from edgediff.bench.reporting import Report
from edgediff.bench.summaries import summarise
from edgediff.bench.sustaining import paces
from edgediff.svg import Series, bars, lines, memory

# What of a manifest's quality is drawn, by its place there.
_QUALITY = {
    "psnr_db.mean": "mean PSNR in dB",
    "psnr_db.worst": "worst PSNR in dB",
    "ssim.mean": "mean SSIM",
    "task_metric.value": "task metric",
}


def charts(report: Report) -> list[str]:
    """Every chart that the report has figures for, as SVG."""
    measured = [(case, work) for case in report["cases"] for work in case["works"] if work["summary"]]
    if not measured:
        return []
    figures = [_breakdown(measured), _over_steps(measured), *_over_size(report), *_against_quality(measured)]
    figures += _sustained(measured)
    return figures + [figure for case in report["cases"] for figure in _memory(case)]


def label(case: dict[str, Any], work: dict[str, Any]) -> str:
    """``emoji, 64x64, 20 steps``: a case and its work in a few words."""
    what = work["work"]
    batch = f", batch {what['batch']}" if what["batch"] > 1 else ""
    return f"{case['name']}, {what['width']}x{what['height']}, {what['steps']} steps{batch}"


def _breakdown(measured: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """Medians of the phases; they need not add up to the median of the whole."""
    rows = []
    for case, work in measured:
        rounds, summary = work["rounds"], work["summary"]
        network = summarise([sum(one["network_s"]) for one in rounds])["median"]
        steps = summarise([sum(one["steps_s"]) for one in rounds])["median"]
        parts = [
            ("text", summary["text_s"]["median"]),
            ("network", network),
            ("decode", summary["decode_s"]["median"]),
            ("sampler and loop", steps - network),
        ]
        rows.append((label(case, work), parts))
    return bars("Where the time of a picture goes (medians)", rows, unit="s")


def _over_steps(measured: list[tuple[dict[str, Any], dict[str, Any]]]) -> str:
    """A line for each case, size and batch: that of the most steps, which shows the fewer ones as well."""
    longest: dict[str, tuple[int, Series]] = {}
    for case, work in measured:
        rounds, what = work["rounds"], work["work"]
        steps = [summarise(column)["median"] for column in zip(*(one["steps_s"] for one in rounds), strict=True)]
        times = accumulate([work["summary"]["text_s"]["median"], *steps])
        series = Series(label(case, work), list(enumerate(times)))
        place = f"{case['name']} {what['width']}x{what['height']} {what['batch']}"
        if place not in longest or longest[place][0] < what["steps"]:
            longest[place] = what["steps"], series
    drawn = [series for _, series in longest.values()]
    return lines("Time until a step is done (medians)", drawn, x_label="steps done", y_label="seconds")


def _over_size(report: Report) -> Iterator[str]:
    """One chart, where a case was measured at several sizes with the same steps and batch."""
    series: dict[str, list[tuple[float, float]]] = {}
    for case in report["cases"]:
        for work in case["works"]:
            if work["summary"]:
                what = work["work"]
                name = f"{case['name']}, {what['steps']} steps" + f", batch {what['batch']}" * (what["batch"] > 1)
                point = what["width"] * what["height"] / 1e3, work["summary"]["total_s"]["median"]
                series.setdefault(name, []).append(point)
    drawn = [Series(name, sorted(points), dots=True) for name, points in series.items() if len(points) > 1]
    if drawn:
        yield lines("Time of a picture against its size", drawn, x_label="thousand pixels", y_label="seconds")


def _against_quality(measured: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[str]:
    """A chart for every figure of quality that all cases have in their manifests; none is worked out here."""
    figures = {case["name"]: numbers(case["quality"]) for case, _ in measured}
    for name, what in _QUALITY.items():
        if any(name not in found for found in figures.values()):
            continue
        points: dict[str, list[tuple[float, float]]] = {case: [] for case in figures}
        for case, work in measured:
            points[case["name"]].append((work["summary"]["total_s"]["median"], figures[case["name"]][name]))
        series = [Series(case, sorted(those), dots=True) for case, those in points.items()]
        title = f"Quality in the manifest, {what}, against time"
        yield lines(title, series, x_label="seconds per picture", y_label=what)


def numbers(value: object, path: str = "") -> dict[str, float]:
    """All finite numbers inside nested JSON objects, by their dotted path."""
    if isinstance(value, dict):
        return {
            name: number
            for key, inner in value.items()
            for name, number in numbers(inner, f"{path}.{key}" if path else key).items()
        }
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {path: float(value)} if is_number and path else {}  # type: ignore[arg-type]


def _sustained(measured: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[str]:
    """One chart, where pictures were drawn on for a time."""
    series = [Series(label(case, work), paces(work["sustained"])) for case, work in measured if work.get("sustained")]
    if series:
        yield lines("Pace, picture after picture", series, x_label="seconds", y_label="steps per minute")


def _memory(case: dict[str, Any]) -> Iterator[str]:
    """The work of a case that took most memory."""
    seen = [work for work in case["works"] if work["summary"] and work["memory"]["samples"]]
    if seen:
        work = max(seen, key=lambda work: max(resident for _, resident, _ in work["memory"]["samples"]))
        resident = [(at, bytes_ / 1e6) for at, bytes_, _ in work["memory"]["samples"]]
        anonymous = [(at, bytes_ / 1e6) for at, _, bytes_ in work["memory"]["samples"]]
        yield memory(f"Memory over time: {label(case, work)}", resident, anonymous, work["memory"]["phases"])
