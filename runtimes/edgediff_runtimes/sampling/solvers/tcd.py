"""Trajectory consistency sampling with a tunable share of noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless, Stochastic

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Tcd(OneCall, Stateless, Stochastic):
    """Strategic stochastic sampling (Zheng et al. 2024, "Trajectory Consistency Distillation", algorithm 4), order 1.

    A DDIM step goes down to the interval's ``via``, below its end; noise then leads up to the end.
    """

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Down to the lower level, and up with noise."""
        lower, end = interval.via[0], interval.end
        prediction = denoise(x, interval.start)
        x_next = lower.alpha * prediction.denoised + lower.sigma * prediction.epsilon()
        if lower is not end:
            ratio = end.alpha / lower.alpha
            x_next = ratio * x_next + math.sqrt(max(1 - ratio**2, 0.0)) * noise.standard_normal(x.shape)
        return Outcome(x_next, prediction.denoised, state)
