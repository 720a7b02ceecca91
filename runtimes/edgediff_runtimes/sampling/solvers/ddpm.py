"""Ancestral sampling of DDPM, with fixed and learned variances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless, Stochastic

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.prediction import Prediction
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array

_SMALLEST_VARIANCE = 1e-20


@final
@dataclass(frozen=True, slots=True)
class Ddpm(OneCall, Stateless, Stochastic):
    """DDPM (Ho et al. 2020, algorithm 2, equations 6 and 7), order 1, stochastic.

    An interval whose ``extra`` is a number takes it for its beta, rather than the one its levels imply.

    Attributes:
        variance: ``fixed_small`` (the posterior's), ``fixed_large`` (beta), ``learned`` (the network's second half) or
            ``learned_range`` (between the two, in logarithms, Nichol & Dhariwal 2021, equation 15).
        quiet_end: Draw no noise in the step to timestep 0, rather than in the step from it.
    """

    variance: str = "fixed_small"
    quiet_end: bool = False

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Draw from the posterior of the end level given ``x`` and the denoised sample."""
        start, end = interval.start, interval.end
        prediction = denoise(x, start)
        ratio = start.alpha / end.alpha
        beta = 1 - ratio**2 if interval.extra is None else interval.extra
        toward = end.alpha * beta / start.sigma**2
        stay = ratio * end.sigma**2 / start.sigma**2
        x_next = toward * prediction.denoised + stay * x
        if (end if self.quiet_end else start).t.item() > 0:
            std = self._std(prediction, beta, max(end.sigma**2 / start.sigma**2 * beta, _SMALLEST_VARIANCE))
            x_next = x_next + std * noise.standard_normal(x.shape)
        return Outcome(x_next, prediction.denoised, state)

    def _std(self, prediction: Prediction, beta: float, posterior: float) -> float | Array:
        if self.variance == "fixed_small":
            return math.sqrt(posterior)
        if self.variance == "fixed_large":
            return math.sqrt(beta)
        if prediction.variance is None:
            raise SamplerError(
                "variance_type",
                got=self.variance,
                expected="a network whose output has twice the channels of its input",
                hint="take `variance_type=fixed_small` for a network without variances",
            )
        if self.variance == "learned":
            return np.asarray(np.sqrt(prediction.variance))
        share = (prediction.variance + 1) / 2
        return np.asarray(np.exp(0.5 * (share * math.log(beta) + (1 - share) * math.log(posterior))))
