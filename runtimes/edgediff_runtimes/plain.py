"""Numbers that a caller gives, NumPy's too, as Python's own: those can be written as JSON."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any


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
