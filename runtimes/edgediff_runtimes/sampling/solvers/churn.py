"""Euler's method with churn: noise is added before a step and taken away by it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class ChurnedEuler(OneCall, Stateless):
    """Karras et al. 2022, algorithm 2 with Euler steps, order 1, stochastic.

    As in the reference, the network is asked before the noise is added, and its output is read at the noisier level.

    Attributes:
        churn: ``S_churn``, spread over all steps.
        low: ``S_tmin``, the lowest sigma that is churned.
        high: ``S_tmax``, the highest.
        noise: ``S_noise``, standard deviation of the added noise.
        reread: Read the output at the noisier level (all but v-prediction on DDPM schedules).
    """

    churn: float
    low: float = 0.0
    high: float = math.inf
    noise: float = 1.0
    reread: bool = True

    def draws(self, interval: Interval) -> bool:
        """Where noise is raised."""
        return self._gamma(interval) > 0

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Raise the noise, then take an Euler step from there."""
        start, sigma = interval.start, interval.start.sigma
        prediction = denoise(x, start)
        gamma = self._gamma(interval)
        raised = sigma * (gamma + 1)
        denoised = prediction.denoised
        if gamma > 0:
            x = x + (self.noise * math.sqrt(raised**2 - sigma**2)) * noise.standard_normal(x.shape)
            level = replace(start, sigma=raised) if self.reread else start
            denoised = prediction.parametrisation.denoised(prediction.raw, x, level)
        x_next = x + (interval.end.sigma - raised) * ((x - denoised) / raised)
        return Outcome(x_next, denoised, state)

    def _gamma(self, interval: Interval) -> float:
        churned = self.low <= interval.start.sigma <= self.high
        return min(self.churn / interval.total, math.sqrt(2) - 1) if churned else 0.0
