"""What a reader should know before believing a report's figures, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgediff.bench.charts import label
from edgediff.bench.reporting import Report

# Above this part of the processors, what others do shows in the times: on two cores, half of one.
BUSY = 0.25
_SPREAD = 1.25  # the slowest round over the quickest; beside nothing else, rounds differ by a few percent


def doubts(report: Report) -> list[str]:
    """Why the figures, or some of them, are not to be trusted; empty where nothing speaks against them."""
    return [*_busy(report), *_spread(report), *_beyond_the_peak(report)]


def is_beyond_peak(part: dict[str, Any]) -> bool:
    """Whether a graph was quicker than what was measured as the machine's limit."""
    share = part["share_of_matmul_peak"]
    return share is not None and share > 1


def _busy(report: Report) -> Iterator[str]:
    machine = report["machine"]
    share, load = machine.get("others_share"), machine["load_at_start"]
    if share is not None and share > BUSY:
        yield (
            f"the machine was busy: other programs took {share:.0%} of its processors; times are too long and spread, "
            "ratios of one round are better, memory is not touched"
        )
    elif share is None and load is not None and load > BUSY * machine["cores"]:
        yield (
            f"the machine was busy as this began (load {load:.1f} on {machine['cores']} cores): times may be too long "
            "and spread, ratios of one round are better, memory is not touched"
        )


def _spread(report: Report) -> Iterator[str]:
    for case in report["cases"]:
        for work in case["works"]:
            total = work["summary"].get("total_s")
            if total and total["min"] > 0 and total["max"] / total["min"] > _SPREAD:
                yield (
                    f"{label(case, work)}: the slowest round took {total['max'] / total['min']:.2f} times as long as "
                    "the quickest; smaller differences between cases are not shown by their times"
                )


def _beyond_the_peak(report: Report) -> Iterator[str]:
    parts = (part for case in report["cases"] for work in case["works"] for part in work["components"].values())
    if any(is_beyond_peak(part) for part in parts):
        yield (
            "a graph was quicker than the fastest matrix product: the products were measured at a worse moment, or the "
            "engine needs fewer operations than are counted; such an `of matmul peak` says near the limit, and no more"
        )
