"""Euler's method on a flow whose time runs from noise to data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing
from edgediff_runtimes.sampling.prediction import InvertedFlow
from edgediff_runtimes.sampling.reading.shared.settings import Reading, as_array, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.solvers.ddim import Ddim

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array


def _build(settings: Settings) -> Sampler:
    few = 2
    if settings["sigmas"] is not None:
        sigmas: Array = as_array(settings["sigmas"], np.float32)
        if len(sigmas) < few or not np.all(np.diff(sigmas) < 0) or sigmas[-1] != 0:
            raise SamplerError("sigmas", got=list(sigmas), expected="numbers that fall to 0")
    else:
        points = steps_of(settings)
        if points < few:
            raise SamplerError("steps", got=points, expected="at least 2: this class counts the grid's points")
        shift, base = np.float32(settings["shift"]), linspace32(1.0, 0.0, points)
        sigmas = shift * base / (np.float32(1) + (shift - np.float32(1)) * base)
    levels = [flowing(np.float32(1) - s, float(s)) for s in sigmas]
    return Sampler(chain(levels), Ddim(), InvertedFlow(), fractional_strength=True)


READING = Reading({"shift": 12.0}, _build, frozenset({"sigmas"}))
