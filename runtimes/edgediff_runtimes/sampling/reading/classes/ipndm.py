"""IPNDM on a continuous schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Level, chain
from edgediff_runtimes.sampling.prediction import Velocity
from edgediff_runtimes.sampling.reading.shared.settings import Reading, as_array, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.solvers.ipndm import Ipndm

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    ramp = np.append(linspace32(1.0, 0.0, steps + 1)[:-1], 0.0)
    sigmas = np.sin(ramp * math.pi / 2) ** 2
    if settings["trained_betas"] is not None:
        sigmas = as_array(settings["trained_betas"], np.float64)
        if len(sigmas) != steps + 1:
            raise SamplerError(
                "trained_betas", got=len(sigmas), expected=f"{steps + 1} noise levels, one above the steps"
            )
    alphas = np.sqrt(1 - sigmas**2)
    told = (np.arctan2(sigmas, alphas) / math.pi * 2).astype(np.float32)
    levels = [
        Level(t, float(a), float(s), 1.0, float(s / a) if a else math.inf)
        for t, a, s in zip(told, alphas, sigmas, strict=True)
    ]
    return Sampler(chain(levels), Ipndm(), Velocity())


READING = Reading({"num_train_timesteps": 1000, "trained_betas": None}, _build)
