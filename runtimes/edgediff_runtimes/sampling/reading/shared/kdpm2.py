"""The second-order singlestep of DPM-Solver on variance-exploding levels, with fresh noise or without."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.reading.shared.exploding import (
    WITHOUT_CLEAN,
    first_std,
    levels_of,
    midpoint,
    noise_grid,
    spaced_floats,
)
from edgediff_runtimes.sampling.reading.shared.settings import parametrisation, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas
from edgediff_runtimes.sampling.solvers.kdpm2 import Kdpm2

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def kdpm2(settings: Settings, *, ancestral: bool) -> Sampler:
    """The sampler; ``ancestral`` steps below each level and makes up for it with fresh noise."""
    table = training_sigmas(alphas_cumprod(settings))
    sigmas, timesteps = noise_grid(settings, table, spaced_floats(settings, steps_of(settings)))
    if settings["use_karras_sigmas"]:
        timesteps = timesteps.round()
    sigmas = np.append(sigmas, 0.0).astype(np.float32)
    levels = levels_of(sigmas, timesteps)
    # The difference of squares is taken in float32, as in the reference: where a step is long its last bits are all.
    start, end = sigmas[:-1], sigmas[1:]
    up = np.sqrt(end**2 * (start**2 - end**2) / start**2)
    down = np.sqrt(end**2 - up**2) if ancestral else end
    via = [midpoint(levels[i], float(sigma), table, timesteps.dtype) for i, sigma in enumerate(down)]
    intervals = chain(levels, via)
    if ancestral:
        intervals = tuple(replace(v, extra=(float(down[i]), float(up[i]))) for i, v in enumerate(intervals))
    return Sampler(
        intervals=intervals,
        solver=Kdpm2(),
        parametrisation=parametrisation(settings, WITHOUT_CLEAN),
        init_noise_sigma=first_std(settings, sigmas),
    )
