"""The stochastic sampler of Karras et al. for variance-exploding score models."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.prediction import Score
from edgediff_runtimes.sampling.reading.shared.score import unscaled
from edgediff_runtimes.sampling.reading.shared.settings import Reading, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.score_sde import ChurnedHeun, raised

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps, few = steps_of(settings), 2
    if steps < few:
        raise SamplerError("steps", got=steps, expected="at least 2, the first and the last level")
    high, low = settings["sigma_max"], settings["sigma_min"]
    # The reference's schedule holds the squares of the paper's levels, and steps through them as they are.
    table = [*(high**2 * (low**2 / high**2) ** (np.arange(steps) / (steps - 1))).astype(np.float32).tolist(), 0.0]
    gamma = min(settings["s_churn"] / steps, math.sqrt(2) - 1)
    intervals = []
    for i, (sigma, before) in enumerate(pairwise(table)):
        start = unscaled(np.float32(sigma), sigma)
        share = gamma if settings["s_min"] <= sigma <= settings["s_max"] else 0.0
        up = raised(start, np.float32(sigma * (1 + share)), share)
        intervals.append(Interval(start, unscaled(np.float32(before), before), i, steps, (up,)))
    return Sampler(
        intervals=tuple(intervals),
        solver=ChurnedHeun(settings["s_noise"]),
        parametrisation=Score(times_sigma=True),
        init_noise_sigma=high,
    )


_FIELDS: dict[str, Any] = {
    "sigma_min": 0.02,
    "sigma_max": 100,
    "s_noise": 1.007,
    "s_churn": 80,
    "s_min": 0.05,
    "s_max": 50,
}

READING = Reading(_FIELDS, _build)
