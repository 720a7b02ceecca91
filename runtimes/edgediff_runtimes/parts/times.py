"""Time steps as networks are told them."""

from __future__ import annotations

import numpy as np

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import TimeSinusoid


def time_sinusoid(part: TimeSinusoid, context: Context) -> dict[str, Value]:
    """A row for every number."""
    half = part.dim // 2
    exponents = np.arange(half, dtype=np.float32) * np.float32(-np.log(10_000.0)) / np.float32(half - part.shift)
    angles = context.array(part.name).astype(np.float32).reshape(-1, 1) * np.exp(exponents)
    parts = [np.sin(angles), np.cos(angles)]
    odd = np.zeros((len(angles), part.dim % 2), np.float32)
    rows = np.concatenate([*(reversed(parts) if part.cosine_first else parts), odd], axis=1)
    return {part.to: Value(rows)}
