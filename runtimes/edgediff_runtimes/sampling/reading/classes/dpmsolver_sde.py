"""DPM-Solver++ (SDE) with a Brownian path."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.reading.shared.exploding import (
    SD_FIELDS,
    WITHOUT_CLEAN,
    first_std,
    levels_of,
    midpoint,
    noise_grid,
    spaced_floats,
)
from edgediff_runtimes.sampling.reading.shared.settings import Reading, parametrisation, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas
from edgediff_runtimes.sampling.solvers.dpm_sde import DpmSde

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    table = training_sigmas(alphas_cumprod(settings))
    sigmas, timesteps = noise_grid(settings, table, spaced_floats(settings, steps_of(settings), np.float64))
    levels = levels_of(np.append(sigmas, 0.0).astype(np.float32), timesteps)
    seed = settings["noise_sampler_seed"]
    return Sampler(
        intervals=chain(levels, [midpoint(a, b.sigma, table, timesteps.dtype) for a, b in pairwise(levels)]),
        solver=DpmSde(span=(levels[-2].sigma, levels[0].sigma), seed=seed, s_noise=settings["s_noise"]),
        parametrisation=parametrisation(settings, WITHOUT_CLEAN),
        init_noise_sigma=first_std(settings, np.array([level.sigma for level in levels])),
    )


READING = Reading({**SD_FIELDS, "noise_sampler_seed": None}, _build, keywords={"s_noise": 1.0})
