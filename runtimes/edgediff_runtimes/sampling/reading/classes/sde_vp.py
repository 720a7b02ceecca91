"""Euler-Maruyama for variance-preserving score models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import Interval, Level
from edgediff_runtimes.sampling.prediction import Epsilon
from edgediff_runtimes.sampling.reading.shared.settings import Reading, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.solvers.score_sde import EulerMaruyama

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    low, high = settings["beta_min"], settings["beta_max"]
    times = linspace32(1.0, settings["sampling_eps"], steps)

    def level(told: np.float32) -> Level:
        # In float32, as in the reference: near the clean end the last bits of 1 - alpha^2 decide the score's size.
        log_alpha = np.float32(-0.25) * told**2 * np.float32(high - low) - np.float32(0.5) * told * np.float32(low)
        alpha = math.exp(float(log_alpha))
        sigma = float(np.sqrt(np.float32(1) - np.float32(math.exp(2 * float(log_alpha)))))
        return Level(told, alpha, sigma, 1.0, sigma / alpha)

    levels = [level(t) for t in (*times, np.float32(0))]
    intervals = tuple(
        Interval(levels[i], levels[i + 1], i, steps, extra=(low + float(t) * (high - low), 1 / steps))
        for i, t in enumerate(times)
    )
    return Sampler(intervals, EulerMaruyama(), Epsilon())


_FIELDS: dict[str, Any] = {"num_train_timesteps": 2000, "beta_min": 0.1, "beta_max": 20, "sampling_eps": 1e-3}

READING = Reading(_FIELDS, _build)
