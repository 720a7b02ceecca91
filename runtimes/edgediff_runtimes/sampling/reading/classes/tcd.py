"""Trajectory consistency distillation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.reading.shared.discrete_time import eta_of, level_at
from edgediff_runtimes.sampling.reading.shared.distilled import LCM_FIELDS, LCM_KEYWORDS, distilled_timesteps
from edgediff_runtimes.sampling.reading.shared.settings import PREDICTIONS, Reading, parametrisation
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.solvers.tcd import Tcd

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    products = alphas_cumprod(settings)
    timesteps, eta = distilled_timesteps(settings), eta_of(settings, default=0.3)
    intervals = []
    for i, t in enumerate(timesteps):
        is_last = i == len(timesteps) - 1
        below = 0 if is_last else timesteps[i + 1]
        lower = level_at(products, math.floor((1 - eta) * below))
        end = lower if is_last or eta == 0 else level_at(products, below)
        intervals.append(Interval(level_at(products, t), end, i, len(timesteps), (lower,)))
    return Sampler(tuple(intervals), Tcd(), parametrisation(settings, PREDICTIONS))


READING = Reading(LCM_FIELDS, _build, frozenset({"timesteps", "eta"}), LCM_KEYWORDS)
