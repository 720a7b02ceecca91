"""Euler's method along flow maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing
from edgediff_runtimes.sampling.prediction import Flow
from edgediff_runtimes.sampling.reading.shared.flow import SHIFT_ONLY, shifted
from edgediff_runtimes.sampling.reading.shared.settings import Reading, as_array, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.spacing import check_descending
from edgediff_runtimes.sampling.solvers.ddim import Ddim

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array


def _build(settings: Settings) -> Sampler:
    train = settings["num_train_timesteps"]
    if settings["sigmas"] is not None:
        sigmas: Array = as_array(settings["sigmas"], np.float64)
    elif settings["timesteps"] is not None:
        custom = as_array(settings["timesteps"], np.float64)
        check_descending(custom.tolist(), train_steps=train, inclusive=True)
        sigmas = custom / train
    else:
        sigmas = np.linspace(1.0, 0.0, steps_of(settings) + 1)[:-1]
    if settings["steps"] not in (None, len(sigmas)):
        raise SamplerError("steps", got=settings["steps"], expected=f"{len(sigmas)}, as many as levels are given")
    sigmas = np.append(shifted(sigmas, settings["shift"]), 0.0)
    return Sampler(chain([flowing(s * train, float(s)) for s in sigmas]), Ddim(), Flow(), fractional_strength=True)


READING = Reading(SHIFT_ONLY, _build, frozenset({"timesteps", "sigmas"}))
