"""VQ-Diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.reading.shared.settings import Reading, steps_of
from edgediff_runtimes.sampling.reading.shared.tokens import WHOLE, Tokens, needed, token_level
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.tokens import VqDiffusion

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array, Floats


def _shares(settings: Settings, name: str, train: int) -> Array:
    """Cumulative shares that run evenly between the config's two ends."""
    start, end = settings[f"{name}_cum_start"], settings[f"{name}_cum_end"]
    return np.asarray(np.arange(train) / (train - 1) * (end - start) + start)


def _logs(keep: Array, mask: Array, classes: int) -> Floats:
    """Logarithms of the probabilities to keep a token, to replace it by any given other, and to mask it."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.stack([keep, (1 - keep - mask) / (classes - 1), mask])), dtype=np.float32)


def _build(settings: Settings) -> Sampler:
    train, classes = settings["num_train_timesteps"], needed(settings, "num_vec_classes")
    steps = steps_of(settings, most=train)
    kept, masked = _shares(settings, "alpha", train), _shares(settings, "gamma", train)
    keep = kept / np.concatenate([[1.0], kept[:-1]])
    mask = 1 - (1 - masked) / np.concatenate([[1.0], 1 - masked[:-1]])
    one, products = _logs(keep, mask, classes), _logs(np.append(kept, 1.0), np.append(masked, 0.0), classes)
    intervals = tuple(
        Interval(token_level(t), token_level(t - 1), i, steps) for i, t in enumerate(range(steps - 1, -1, -1))
    )
    return Sampler(intervals, VqDiffusion(one, products), Tokens(), like_sample=False, discrete=True, whole=WHOLE)


_FIELDS: dict[str, Any] = {
    "num_vec_classes": None,
    "num_train_timesteps": 100,
    "alpha_cum_start": 0.99999,
    "alpha_cum_end": 0.000009,
    "gamma_cum_start": 0.000009,
    "gamma_cum_end": 0.99999,
}

READING = Reading(_FIELDS, _build)
