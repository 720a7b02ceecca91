"""Latent consistency models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.sampling.levels import Interval, preserving
from edgediff_runtimes.sampling.reading.shared.discrete_time import level_at
from edgediff_runtimes.sampling.reading.shared.distilled import LCM_FIELDS, LCM_KEYWORDS, distilled_timesteps
from edgediff_runtimes.sampling.reading.shared.settings import PREDICTIONS, Reading, limit, parametrisation
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.solvers.renoise import Renoise, TimestepBoundary

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    products = alphas_cumprod(settings)
    timesteps = distilled_timesteps(settings)
    levels = [level_at(products, t) for t in timesteps]
    clean = preserving(np.int64(0), 1.0)
    return Sampler(
        intervals=tuple(
            Interval(level, levels[i + 1] if i + 1 < len(levels) else clean, i, len(levels))
            for i, level in enumerate(levels)
        ),
        solver=Renoise(TimestepBoundary(settings["timestep_scaling"])),
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
    )


READING = Reading(LCM_FIELDS, _build, frozenset({"timesteps"}), LCM_KEYWORDS)
