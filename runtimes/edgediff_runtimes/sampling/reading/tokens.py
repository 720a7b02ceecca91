"""Samplers of discrete tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval, Level
from edgediff_runtimes.sampling.reading.settings import Reading, choose, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.solvers.tokens import MaskedTokens, VqDiffusion

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.tensors import Array, Floats

_ENDS = 2
_WHOLE = "tokens have no noise level between: pass the partly masked tokens as `noise`"


@final
@dataclass(frozen=True, slots=True)
class Tokens:
    """The network gives scores of tokens; their axis is the second one."""

    name: str = "tokens"

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:  # noqa: ARG002 - one seam for all kinds
        """The likeliest tokens."""
        return np.asarray(raw.argmax(axis=1))

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:  # noqa: ARG002 - one seam for all kinds
        """The scores: tokens have no noise."""
        return raw


def _level(t: int) -> Level:
    """A place in a schedule of tokens, known by its timestep only."""
    return Level(np.int64(t), 1.0, 0.0, 1.0, float(t))


def _needed(settings: Settings, name: str) -> int:
    """A field without a default.

    Raises:
        SamplerError: it is missing.
    """
    if not isinstance(settings[name], int):
        raise SamplerError(name, got=settings[name], expected="a whole number, which the config must give")
    return int(settings[name])


def _shares(settings: Settings, name: str, train: int) -> Array:
    """Cumulative shares that run evenly between the config's two ends."""
    start, end = settings[f"{name}_cum_start"], settings[f"{name}_cum_end"]
    return np.asarray(np.arange(train) / (train - 1) * (end - start) + start)


def _logs(keep: Array, mask: Array, classes: int) -> Floats:
    """Logarithms of the probabilities to keep a token, to replace it by any given other, and to mask it."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.stack([keep, (1 - keep - mask) / (classes - 1), mask])), dtype=np.float32)


def _vq_diffusion(settings: Settings) -> Sampler:
    train, classes = settings["num_train_timesteps"], _needed(settings, "num_vec_classes")
    steps = steps_of(settings, most=train)
    kept, masked = _shares(settings, "alpha", train), _shares(settings, "gamma", train)
    keep = kept / np.concatenate([[1.0], kept[:-1]])
    mask = 1 - (1 - masked) / np.concatenate([[1.0], 1 - masked[:-1]])
    one, products = _logs(keep, mask, classes), _logs(np.append(kept, 1.0), np.append(masked, 0.0), classes)
    intervals = tuple(Interval(_level(t), _level(t - 1), i, steps) for i, t in enumerate(range(steps - 1, -1, -1)))
    return Sampler(intervals, VqDiffusion(one, products), Tokens(), like_sample=False, discrete=True, whole=_WHOLE)


def _amused(settings: Settings) -> Sampler:
    steps, temperature = steps_of(settings), settings["temperature"]
    schedule = choose(settings, "masking_schedule", ("cosine", "linear"))
    ends = temperature if isinstance(temperature, (tuple, list)) else (temperature, 0.01)
    if len(ends) != _ENDS or not all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends):
        raise SamplerError("temperature", got=temperature, expected="a finite number, or the first and the last of two")
    first, last = ends
    heat = linspace32(float(first), float(last), steps)
    intervals = []
    for i in range(steps):
        done = np.float32((i + 1) / steps)
        share = np.cos(done * np.float32(math.pi) / np.float32(2)) if schedule == "cosine" else np.float32(1) - done
        extra = (settings["starting_mask_ratio"] * float(share), float(heat[i]))
        intervals.append(Interval(_level(steps - 1 - i), _level(steps - 2 - i), i, steps, extra=extra))
    return Sampler(
        tuple(intervals),
        MaskedTokens(_needed(settings, "mask_token_id")),
        Tokens(),
        like_sample=False,
        discrete=True,
        whole=_WHOLE,
    )


_VQ_FIELDS: dict[str, Any] = {
    "num_vec_classes": None,
    "num_train_timesteps": 100,
    "alpha_cum_start": 0.99999,
    "alpha_cum_end": 0.000009,
    "gamma_cum_start": 0.000009,
    "gamma_cum_end": 0.99999,
}
_AMUSED_FIELDS: dict[str, Any] = {"mask_token_id": None, "masking_schedule": "cosine"}
_AMUSED_KEYWORDS: dict[str, Any] = {"temperature": (2, 0), "starting_mask_ratio": 1.0}

READINGS: dict[str, Reading] = {
    "VQDiffusionScheduler": Reading(_VQ_FIELDS, _vq_diffusion),
    "AmusedScheduler": Reading(_AMUSED_FIELDS, _amused, keywords=_AMUSED_KEYWORDS),
}
