"""Consistency models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import Interval, exploding
from edgediff_runtimes.sampling.limits import Clip
from edgediff_runtimes.sampling.prediction import Preconditioned
from edgediff_runtimes.sampling.reading.shared.settings import Reading, steps_of, whole_custom
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.renoise import Renoise

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    """Song et al. 2023, algorithm 1: jump to the clean sample, noise it to the next level above ``sigma_min``."""
    train, low, high = settings["num_train_timesteps"], settings["sigma_min"], settings["sigma_max"]
    if settings["timesteps"] is not None:
        steps_of(settings)
        places = whole_custom(settings)[::-1]
    else:
        steps = steps_of(settings, most=train)
        places = np.arange(steps) * (train // steps)
    rho = settings["rho"]
    ramp = places / (train - 1)
    sigmas = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    told, steep = 250.0 * np.log(sigmas + 1e-44), [*map(float, sigmas.astype(np.float32)), low]
    intervals = []
    for i, t in enumerate(told):
        above = min(max(steep[i + 1], low), high)
        end = exploding(t, math.sqrt(max(above**2 - low**2, 0.0)) * settings["s_noise"], settings["sigma_data"])
        intervals.append(Interval(exploding(t, steep[i], settings["sigma_data"]), end, i, len(told)))
    return Sampler(
        intervals=tuple(intervals),
        solver=Renoise(),
        parametrisation=Preconditioned(settings["sigma_data"], sigma_min=low),
        limit=Clip(1.0) if settings["clip_denoised"] else None,
        init_noise_sigma=high,
    )


_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 40,
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "s_noise": 1.0,
    "rho": 7.0,
    "clip_denoised": True,
}

READING = Reading(_FIELDS, _build, frozenset({"timesteps"}))
