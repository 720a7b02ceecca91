"""Time steps as networks are told them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import TimeSinusoid
from edgediff_runtimes.tensors import Array


def time_sinusoid(part: TimeSinusoid, context: Context) -> dict[str, Value]:
    """Those of the numbers of a row, one behind the other."""
    value = context.values[part.name]
    numbers = value.array.astype(np.float32) * np.float32(part.scale)
    angles = numbers.reshape(-1, 1) * _frequencies(part)
    parts = [np.sin(angles), np.cos(angles)]
    odd = np.zeros((len(angles), part.dim % 2), np.float32)
    rows = np.concatenate([*(reversed(parts) if part.cosine_first else parts), odd], axis=1)
    return {part.to: Value(rows.reshape(len(numbers), -1), value.rows)}


def number_of(part: TimeSinusoid, row: Array) -> float:
    """The number that a row was made of, to five digits: the angle of its lowest frequency, up to half a turn."""
    half = part.dim // 2
    sine, cosine = (float(row[index * half + half - 1]) for index in ((1, 0) if part.cosine_first else (0, 1)))
    return float(f"{np.arctan2(sine, cosine) / float(_frequencies(part)[-1]) / part.scale:.5g}")


def _frequencies(part: TimeSinusoid) -> NDArray[np.float32]:
    half = part.dim // 2
    exponents = np.arange(half, dtype=np.float32) * np.float32(-np.log(10_000.0)) / np.float32(half - part.shift)
    frequencies: NDArray[np.float32] = np.exp(exponents)
    return frequencies
