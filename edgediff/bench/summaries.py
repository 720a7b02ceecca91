"""Repeated measurements in a few numbers, and ratios of pairs of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TypedDict


class Summary(TypedDict):
    """Number of measurements, their median, 90th percentile (nearest rank), smallest and largest."""

    n: int
    median: float
    p90: float
    min: float
    max: float


def summarise(values: Sequence[float]) -> Summary:
    """The summary of at least one measurement."""
    ordered = sorted(values)
    p90 = ordered[math.ceil(0.9 * len(ordered)) - 1]
    return Summary(n=len(ordered), median=statistics.median(ordered), p90=p90, min=ordered[0], max=ordered[-1])


def paired_ratios(values: Sequence[float], base: Sequence[float]) -> Summary | None:
    """Summary of ``values[i] / base[i]``, pairs measured one right after the other; None without a pair.

    A slow moment of the machine falls on both of a pair, so their ratio spreads less than the ratio of the medians.
    """
    ratios = [value / reference for value, reference in zip(values, base, strict=False) if reference > 0]
    return summarise(ratios) if ratios else None
