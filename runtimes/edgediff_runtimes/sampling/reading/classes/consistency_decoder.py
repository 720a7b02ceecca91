"""The two steps of the consistency decoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Level, chain, preserving
from edgediff_runtimes.sampling.prediction import Preconditioned
from edgediff_runtimes.sampling.reading.shared.settings import Reading
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.solvers.renoise import Renoise

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings

# The timestep that the consistency decoder was trained to start from.
_STARTS = 1008


def _build(settings: Settings) -> Sampler:
    if settings["steps"] != 2:  # noqa: PLR2004 - what the decoder was trained for
        raise SamplerError("steps", got=settings["steps"], expected="2, for which the decoder was trained")
    if settings["num_train_timesteps"] <= _STARTS:
        raise SamplerError("num_train_timesteps", got=settings["num_train_timesteps"], expected=f"more than {_STARTS}")
    cosine = {**settings, "beta_schedule": "squaredcos_cap_v2", "trained_betas": None}
    products, data = alphas_cumprod(cosine), settings["sigma_data"]

    def level(t: int) -> Level:
        base = preserving(np.int64(t), float(products[t]))
        return Level(base.t, base.alpha, base.sigma, base.alpha * math.hypot(base.nominal, data), base.nominal)

    levels = [level(_STARTS), level(512), preserving(np.int64(0), 1.0)]
    return Sampler(chain(levels), Renoise(), Preconditioned(data), init_noise_sigma=levels[0].sigma)


READING = Reading({"num_train_timesteps": 1024, "sigma_data": 0.5}, _build)
