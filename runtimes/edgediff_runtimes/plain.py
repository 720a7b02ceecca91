"""Numbers that a caller gives, NumPy's too, as Python's own: those can be written as JSON."""

from __future__ import annotations

import math
import operator
import re
from numbers import Real
from typing import Any

BYTES_EXPECTED = "a number of bytes such as 2GB or 512MiB"
SECONDS_EXPECTED = "a time above 0 such as 20s, 800ms or 2min"
_SECONDS = {"": 1.0, "S": 1.0, "MS": 1e-3, "MIN": 60.0}
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


def as_whole(value: Any) -> int | None:  # noqa: ANN401 - what a caller gave may be anything
    """A whole number as an ``int``; None for anything else, truth values and floats included."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def as_finite(value: object) -> float | None:
    """A real number that a float holds, as a ``float``; None for anything else, truth values included."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_bytes(text: str) -> int | None:
    """A number of bytes that is written with or without a unit, ``2GB`` or ``1.5 MiB``; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) *([A-Za-z]*)", text.strip())
    if match is None or match[2].upper() not in _UNITS:
        return None
    return int(float(match[1]) * _UNITS[match[2].upper()])


def as_seconds(text: str) -> float | None:
    """A time above 0 in seconds, written with or without a unit, ``20s`` or ``2 min``; None for anything else."""
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) *([A-Za-z]*)", text.strip())
    if match is None or match[2].upper() not in _SECONDS:
        return None
    return float(match[1]) * _SECONDS[match[2].upper()] or None


def readable_seconds(amount: float) -> str:
    """``0.123 s``: three figures."""
    return f"{amount:.3g} s"


def readable_bytes(count: float) -> str:
    """``12.3 MB``: decimal units, three figures."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004 - decimal units
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
