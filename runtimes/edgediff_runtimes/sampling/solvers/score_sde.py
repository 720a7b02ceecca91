"""Samplers of score-based models: predictor-corrector, Euler-Maruyama, and Karras' stochastic Heun."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless, Stochastic

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class PredictorCorrector(Stateless, Stochastic):
    """Song et al. 2021, algorithms 2 and 4 (variance exploding), order 1, stochastic.

    Langevin steps at the start's level, then the reverse diffusion to the end's. ``denoised`` is the predictor's mean.

    Attributes:
        snr: Signal-to-noise ratio that sets the length of the Langevin steps.
        corrections: Langevin steps per interval.
    """

    snr: float
    corrections: int

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """One call for each correction, and one for the prediction, all at the start."""
        return (interval.start,) * (self.corrections + 1)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Correct, then predict."""
        for _ in range(self.corrections):
            score = denoise(x, interval.start).raw
            fresh = noise.standard_normal(x.shape)
            size = 2 * (self.snr * _mean_norm(fresh) / _mean_norm(score)) ** 2
            x = x + size * score + math.sqrt(2 * size) * fresh
        score = denoise(x, interval.start).raw
        variance = interval.start.sigma**2 - interval.end.sigma**2
        mean = x + variance * score
        return Outcome(mean + math.sqrt(variance) * noise.standard_normal(x.shape), mean, state)


def _mean_norm(array: Array) -> float:
    return float(np.linalg.norm(array.reshape(array.shape[0], -1), axis=-1).mean())


@final
@dataclass(frozen=True, slots=True)
class EulerMaruyama(OneCall, Stateless, Stochastic):
    """The reverse variance-preserving SDE (Song et al. 2021, equation 6 and appendix B), order 1, stochastic.

    An interval's ``extra`` is (beta, length of the step). ``denoised`` is the step's mean.
    """

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Drift, then diffuse."""
        beta, length = interval.extra
        score = denoise(x, interval.start).epsilon() * (-1 / interval.start.sigma)
        mean = x + length * (beta / 2 * x + beta * score)
        return Outcome(mean + math.sqrt(beta * length) * noise.standard_normal(x.shape), mean, state)


@final
@dataclass(frozen=True, slots=True)
class ChurnedHeun(Stateless, Stochastic):
    """Karras et al. 2022, algorithm 2, order 2, stochastic: noise up to ``via``, then Heun's step; two calls.

    Attributes:
        noise: ``S_noise``, standard deviation of the added noise.
    """

    noise: float

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """Two calls, at the raised level and at the end; one where the end is clean."""
        return (interval.via[0], interval.end) if interval.end.sigma > 0 else (interval.via[0],)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Raise the noise, take an Euler step, correct it by the slope at its end."""
        raised, end = interval.via[0], interval.end
        added = math.sqrt(max(raised.sigma**2 - interval.start.sigma**2, 0.0))
        # Drawn even where nothing is added, to keep the order of draws.
        x = x + (self.noise * added) * noise.standard_normal(x.shape)
        denoised = denoise(x, raised).denoised
        slope = (x - denoised) / raised.sigma
        width = end.sigma - raised.sigma
        x_next = x + width * slope
        if end.sigma > 0:
            denoised = denoise(x_next, end).denoised
            x_next = x + width * ((slope + (x_next - denoised) / end.sigma) / 2)
        return Outcome(x_next, denoised, state)


def raised(level: Level, t: np.generic, gamma: float) -> Level:
    """The level with its sigma raised by the share ``gamma``."""
    sigma = level.sigma * (1 + gamma)
    return replace(level, t=t, sigma=sigma, nominal=sigma)
