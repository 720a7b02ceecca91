"""DPM-Solver++(2S) ancestral of k-diffusion, which diffusers lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.sampling.reading.shared.euler import EULER_FIELDS, EULER_TAKES, euler_levels
from edgediff_runtimes.sampling.reading.shared.exploding import midpoint
from edgediff_runtimes.sampling.reading.shared.settings import Reading
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas
from edgediff_runtimes.sampling.solvers.ddim import ancestral_std
from edgediff_runtimes.sampling.solvers.dpmpp_2s_ancestral import Dpmpp2sAncestral

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _build(settings: Settings) -> Sampler:
    sampler = euler_levels(settings, Dpmpp2sAncestral())
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    intervals = []
    for interval in sampler.intervals:
        up = ancestral_std(interval.start, interval.end)
        down = max(interval.end.sigma**2 - up**2, 0.0) ** 0.5
        via = midpoint(interval.start, down, table, np.dtype(np.float32))
        intervals.append(replace(interval, via=via, extra=(down, up)))
    return replace(sampler, intervals=tuple(intervals))


READING = Reading(EULER_FIELDS, _build, EULER_TAKES, fractional=True)
