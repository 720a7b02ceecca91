"""A smooth, bounded, nonlinear network in NumPy: what the goldens were made around."""

from __future__ import annotations

from typing import Any

import numpy as np

SEED = 3
SCORE, SIGMA_SCORE = -1, -2  # a network that contracts as a score of width t does, and that times t
POLICY = -3  # ten velocities side by side in the last axis


def fake_network(x: np.ndarray, t: Any, channels: int = 1) -> np.ndarray:
    """The network's output: of x's channels, of twice as many, or a score."""
    if channels in (SCORE, SIGMA_SCORE):
        return (0.5 * np.tanh(x) - x) * ((float(t) if channels == SIGMA_SCORE else 1.0) / (1 + float(t) ** 2))
    if channels == POLICY:
        return np.concatenate([0.7 * np.tanh(x + np.float32(0.1 * i)) for i in range(10)], axis=-1).astype(np.float32)
    phase = float(t) * 0.004
    out = 0.7 * np.tanh(x + np.float32(0.3 * np.sin(phase))) + 0.2 * np.sin(2 * x + np.float32(phase))
    out = out.astype(np.float32)
    return out if channels == 1 else np.concatenate([out, 0.5 * np.cos(x)], axis=1).astype(np.float32)
