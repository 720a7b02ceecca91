"""Euler's ancestral method on flows (ComfyUI's euler_ancestral_RF)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing
from edgediff_runtimes.sampling.prediction import Flow
from edgediff_runtimes.sampling.reading.shared.flow import flow_levels
from edgediff_runtimes.sampling.reading.shared.settings import Reading, as_array
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.flow_ancestral import FlowAncestral

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    train = np.float32(settings["num_train_timesteps"])
    given = settings["sigmas"]
    if given is not None:
        sigmas = as_array(given, np.float32)
        if settings["steps"] not in (None, len(sigmas) - 1):
            raise SamplerError("steps", got=settings["steps"], expected=f"{len(sigmas) - 1}, one less than sigmas")
        levels = [flowing(s * train, float(s)) for s in sigmas]
    else:
        levels = flow_levels({**settings, "shift": 1.0})
    return Sampler(chain(levels), FlowAncestral(settings["eta"], settings["s_noise"]), Flow(), fractional_strength=True)


_FIELDS: dict[str, Any] = {"num_train_timesteps": 1000, "eta": 1.0, "s_noise": 1.0}

READING = Reading(_FIELDS, _build, frozenset({"sigmas", "eta"}))
