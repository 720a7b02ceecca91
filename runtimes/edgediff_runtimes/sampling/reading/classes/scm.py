"""SANA-Sprint's consistency steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Level, chain
from edgediff_runtimes.sampling.prediction import TrigFlow
from edgediff_runtimes.sampling.reading.shared.settings import Reading, as_array, choose, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.schedules.spacing import check_descending
from edgediff_runtimes.sampling.solvers.renoise import Renoise

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings

# A quarter of TrigFlow's circle, as configs round it up.
_CIRCLE = 1.571


def _build(settings: Settings) -> Sampler:
    """Chen et al. 2025, "SANA-Sprint": consistency steps on the circle of TrigFlow."""
    choose(settings, "prediction_type", ("trigflow",))
    steps = None if settings["timesteps"] is not None else steps_of(settings, most=settings["num_train_timesteps"])
    middle, two = settings["intermediate_timesteps"], 2
    if settings["timesteps"] is not None:
        times = as_array(settings["timesteps"], np.float32)
        check_descending(times.tolist(), train_steps=_CIRCLE, inclusive=True, least=2)
        if settings["steps"] not in (None, len(times) - 1):
            raise SamplerError("steps", got=settings["steps"], expected=f"{len(times) - 1}, one less than timesteps")
    elif steps == two:
        times = np.array([settings["max_timesteps"], 1.3 if middle is None else middle, 0], np.float32)
    elif middle is not None:
        raise SamplerError("intermediate_timesteps", got=middle, expected="2 steps beside it")
    else:
        times = linspace32(settings["max_timesteps"], 0.0, int(steps or 0) + 1)
    data = settings["sigma_data"]

    def level(t: np.float32) -> Level:
        return Level(t, math.cos(float(t)), math.sin(float(t)) * data, 1.0, math.tan(float(t)))

    return Sampler(
        chain([level(t) for t in times]),
        Renoise(),
        TrigFlow(data),
        init_noise_sigma=data,  # diffusers' scheduler says 1, and its pipelines multiply by this
        fractional_strength=True,
    )


_FIELDS: dict[str, Any] = {"num_train_timesteps": 1000, "prediction_type": "trigflow", "sigma_data": 0.5}
_KEYWORDS: dict[str, Any] = {"max_timesteps": 1.5708, "intermediate_timesteps": None}

READING = Reading(_FIELDS, _build, frozenset({"timesteps"}), _KEYWORDS)
