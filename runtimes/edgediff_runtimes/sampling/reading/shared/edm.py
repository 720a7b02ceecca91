"""Levels of EDM's preconditioned networks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import exploding
from edgediff_runtimes.sampling.prediction import Preconditioned
from edgediff_runtimes.sampling.reading.shared.settings import choose
from edgediff_runtimes.sampling.schedules.betas import linspace32

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Floats


def network(settings: Settings) -> Preconditioned:
    """The meaning of the output."""
    kind = choose(settings, "prediction_type", ("epsilon", "v_prediction"))
    return Preconditioned(settings["sigma_data"], sign=1.0 if kind == "epsilon" else -1.0)


def edm_sigmas(settings: Settings, steps: int) -> Floats:
    """Noise levels of the config's schedule without their end."""
    high, low = settings["sigma_max"], settings["sigma_min"]
    # In float32 up to the last function, which is rounded once: a Brownian path answers to the last bit of a level.
    if choose(settings, "sigma_schedule", ("karras", "exponential")) == "karras":
        top, bottom = high ** (1 / settings["rho"]), low ** (1 / settings["rho"])
        roots = np.float32(top) + linspace32(0.0, 1.0, steps) * np.float32(bottom - top)
        return np.asarray(np.power(roots, settings["rho"], dtype=np.float64), np.float32)
    # The reference counts this grid from its low end, where a single step stays.
    return np.exp(linspace32(math.log(low), math.log(high), steps)[::-1].astype(np.float64)).astype(np.float32)


def edm_levels(settings: Settings, sigmas: Floats, last: float) -> list[Level]:
    """Levels of noise levels and their end; the network is told a quarter of the logarithm."""
    told = [*(np.float32(0.25) * np.log(sigmas)), np.float32(0)]
    return [exploding(t, s, settings["sigma_data"]) for t, s in zip(told, [*map(float, sigmas), last], strict=True)]


def edm_first_std(settings: Settings) -> float:
    """Standard deviation of the first sample: noise over data of variance 1."""
    return math.sqrt(settings["sigma_max"] ** 2 + 1)


def edm_end(settings: Settings, sigmas: Floats) -> float:
    """The end of the schedule: sigma 0, or ``sigma_min``, which float32 may put a bit above the last level."""
    return 0.0 if ends_clean(settings) else min(float(settings["sigma_min"]), float(sigmas[-1]))


def ends_clean(settings: Settings) -> bool:
    """Whether the schedule ends at sigma 0."""
    return bool(choose(settings, "final_sigmas_type", ("zero", "sigma_min")) == "zero")


EDM_FIELDS: dict[str, Any] = {
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "sigma_schedule": "karras",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rho": 7.0,
    "final_sigmas_type": "zero",
}
