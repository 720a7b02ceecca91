"""The report: what is worked out from the raw rounds, and writing it. ``docs/bench.md`` specifies it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from edgediff.bench.summaries import paired_ratios, summarise
from edgediff.targets import write_whole

Report: TypeAlias = dict[str, Any]
FORMAT = "edgediff-bench"
FORMAT_VERSION = "1.4"
# Figures of one round whose ratios between cases are given.
COMPARED = ("cold_start_s", "text_s", "step_s", "decode_s", "total_s", "cpu_s", "peak_rss_bytes")


def finish(report: Report) -> None:
    """Work out summaries and ratios anew from the rounds that there are."""
    for case in report["cases"]:
        for work in case["works"]:
            complete = [one for one in work["rounds"] if one["components"].keys() == (work["feeds"] or {}).keys()]
            if complete:
                work["summary"] = _summary(work, complete)
                work["components"] = {
                    role: _component(role, work, complete, _limits(case, role, report)) for role in work["feeds"]
                }
    report["ratios"] = list(_ratios(report))


def _summary(work: dict[str, Any], rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Metric -> summary over all rounds (over all steps of all rounds for ``step_s``); None: not available."""
    measured = [one["phases"]["measured picture"] for one in rounds]
    parts = [one["components"].values() for one in rounds]
    columns: dict[str, list[Any]] = {
        "import_s": [one["phases"]["import"]["seconds"] for one in rounds],
        "cold_start_s": [one["cold_start_s"] for one in rounds],
        "cold_load_s": [sum(part["phases"]["cold load"]["seconds"] for part in these) for these in parts],
        "warm_load_s": [sum(part["phases"]["warm load"]["seconds"] for part in these) for these in parts],
        "text_s": [one["text_s"] for one in rounds],
        "step_s": [seconds for one in rounds for seconds in one["steps_s"]],
        "overhead_step_s": [one["overhead_step_s"] for one in rounds],
        "decode_s": [one["decode_s"] for one in rounds],
        "total_s": [one["total_s"] for one in rounds],
        "images_per_hour": [3600 * work["work"]["batch"] / one["total_s"] for one in rounds],
        "cpu_s": [phase["cpu_s"] for phase in measured],
        "energy_j": [phase["energy_j"] for phase in measured],
        "peak_rss_bytes": [one["peak_rss_bytes"] for one in rounds],
        "steady_rss_bytes": [phase["end_rss_bytes"] for phase in measured],
    }
    return {name: _summary_or_none(values) for name, values in columns.items()}


def _summary_or_none(values: list[Any]) -> Any:  # noqa: ANN401 - a Summary or None, as JSON
    return summarise(values) if all(value is not None for value in values) else None


def _limits(case: dict[str, Any], role: str, report: Report) -> dict[str, dict[str, float]]:
    """The measured matrix products, where they are a limit: not for graphs in f32 that are computed in less."""
    engine = case.get("engines", {}).get(role, case["engine"])
    exact = engine == "onnxruntime" or case["execution"][role] == "f32"
    limits: dict[str, dict[str, float]] = report["matmul_peak_gflops"] if exact else {}
    return limits


def _component(
    role: str, work: dict[str, Any], rounds: list[dict[str, Any]], peaks: dict[str, dict[str, float]]
) -> dict[str, Any]:
    """What one graph costs: in the picture, and alone in a process."""
    alone = [one["components"][role] for one in rounds]
    call = summarise([seconds for one in rounds for seconds in one["engine_s"][role]])
    count = work["flops"].get(role)
    gflops = count["flops"] / call["median"] / 1e9 if count else None
    limit = max(peaks.get(count["dtype"], {}).values(), default=None) if count else None
    phases = {name: [part["phases"][name] for part in alone] for name in alone[0]["phases"]}
    return {
        "execution": alone[0]["execution"],
        "shares": rounds[-1]["shares"].get(role, {}),
        "calls_per_picture": len(rounds[0]["engine_s"][role]),
        "call_s": call,
        "call_alone_s": summarise([seconds for part in alone for seconds in part["calls_s"]]),
        "first_call_s": summarise([phase["seconds"] for phase in phases["first call"]]),
        "cold_load_s": summarise([phase["seconds"] for phase in phases["cold load"]]),
        "cold_load_disk_bytes": _summary_or_none([phase["disk_read_bytes"] for phase in phases["cold load"]]),
        "warm_load_s": summarise([phase["seconds"] for phase in phases["warm load"]]),
        "load_peak_rss_bytes": _summary_or_none([phase["peak_rss_bytes"] for phase in phases["cold load"]]),
        "peak_rss_bytes": _summary_or_none(_larger_peaks(phases["first call"], phases["calls"])),
        "steady_rss_bytes": _summary_or_none([phase["end_rss_bytes"] for phase in phases["calls"]]),
        "flops_per_call": count["flops"] if count else None,
        "gflops": gflops,
        "share_of_matmul_peak": gflops / limit if gflops and limit else None,
    }


def _larger_peaks(first: list[dict[str, Any]], later: list[dict[str, Any]]) -> list[int | None]:
    pairs = [(a["peak_rss_bytes"], b["peak_rss_bytes"]) for a, b in zip(first, later, strict=True)]
    return [None if a is None or b is None else max(a, b) for a, b in pairs]


def _ratios(report: Report) -> Iterable[dict[str, Any]]:
    """Every case to the first one, work by work, round by round."""
    first, *others = report["cases"]
    for other in others:
        for index, (base, work) in enumerate(zip(first["works"], other["works"], strict=True)):
            for metric in COMPARED:
                ratio = paired_ratios(_by_round(work, metric), _by_round(base, metric))
                if ratio is not None:
                    yield {
                        "work": index,
                        "case": other["name"],
                        "to": first["name"],
                        "metric": metric,
                        "same_work": base["work"] == work["work"],
                        "ratio": ratio,
                    }


def _by_round(work: dict[str, Any], metric: str) -> list[float]:
    if metric == "step_s":
        return [summarise(one["steps_s"])["median"] for one in work["rounds"]]
    if metric == "cpu_s":
        return [one["phases"]["measured picture"]["cpu_s"] for one in work["rounds"]]
    return [one[metric] or 0.0 for one in work["rounds"]]


def write_json(report: Report, path: Path) -> None:
    """Write a report whole or not at all: a reader, or a kill, never finds half of one."""
    write_whole(path, json_text(report))


def json_text(report: Report) -> str:
    """A report as the text of its file."""
    return json.dumps(report, indent=1, allow_nan=False) + "\n"
