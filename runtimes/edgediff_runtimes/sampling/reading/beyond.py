"""Samplers that diffusers lacks, on the schedules of its Euler sampler. Their class names are edgediff's own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.sampling.reading.exploding import EULER_FIELDS, euler_levels, midpoint
from edgediff_runtimes.sampling.reading.settings import Reading, choose
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas
from edgediff_runtimes.sampling.solvers.cfg_plus_plus import CfgPlusPlus
from edgediff_runtimes.sampling.solvers.ddim import ancestral_std
from edgediff_runtimes.sampling.solvers.dpmpp_2s_ancestral import Dpmpp2sAncestral
from edgediff_runtimes.sampling.solvers.er_sde import ErSde

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _dpmpp_2s_ancestral(settings: Settings) -> Sampler:
    sampler = euler_levels(settings, Dpmpp2sAncestral())
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    intervals = []
    for interval in sampler.intervals:
        up = ancestral_std(interval.start, interval.end)
        down = max(interval.end.sigma**2 - up**2, 0.0) ** 0.5
        via = midpoint(interval.start, down, table, np.dtype(np.float32))
        intervals.append(replace(interval, via=via, extra=(down, up)))
    return replace(sampler, intervals=tuple(intervals))


def _er_sde(settings: Settings) -> Sampler:
    stages = choose(settings, "stages", (1, 2, 3))
    return euler_levels(settings, ErSde(stages=stages, s_noise=settings["s_noise"]))


def _cfg_plus_plus(settings: Settings, *, ancestral: bool) -> Sampler:
    return replace(euler_levels(settings, CfgPlusPlus(ancestral)), needs_unguided=True)


_TAKES = frozenset({"timesteps", "sigmas"})

READINGS: dict[str, Reading] = {
    "EdgediffDPM2SAncestral": Reading(EULER_FIELDS, _dpmpp_2s_ancestral, _TAKES),
    "EdgediffERSDE": Reading(EULER_FIELDS, _er_sde, _TAKES, {"stages": 3, "s_noise": 1.0}),
    "EdgediffEulerCFGPlusPlus": Reading(EULER_FIELDS, partial(_cfg_plus_plus, ancestral=False), _TAKES),
    "EdgediffEulerAncestralCFGPlusPlus": Reading(EULER_FIELDS, partial(_cfg_plus_plus, ancestral=True), _TAKES),
}
