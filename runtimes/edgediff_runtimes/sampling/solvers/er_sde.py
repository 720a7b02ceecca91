"""ER-SDE: the extended reverse-time SDE, integrated with a history."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless, Stochastic

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array, Floats

_POINTS = 200


def _scale(ratio: Floats) -> Floats:
    """The noise scale function that Cui et al. 2023 recommend (ER-SDE 5, equation A.5)."""
    return np.asarray(ratio * (np.exp(ratio**0.3) + 10.0))


@final
@dataclass(frozen=True, slots=True)
class ErSde(OneCall, Stateless, Stochastic):
    """ER-SDE-Solver-3 (Cui et al. 2023, algorithms 3 to 5), stochastic, one call.

    Its mean converges with order 2, measured: the published slope of the denoised sample is that of the last step's
    middle, which the third stage does not make up for; and from a hundred steps on the sum over 200 points decides.

    Works in ``sigma / alpha`` on any level. The history is a tuple of (sigma / alpha, denoised) of the last steps,
    newest last.

    Attributes:
        stages: Length of the history, 1 to 3.
        s_noise: Factor of the noise.
    """

    stages: int = 3
    s_noise: float = 1.0

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Taylor-expand the denoised sample along the history, with the noise's integrals."""
        start, end = interval.start, interval.end
        denoised = denoise(x, start).denoised
        before, after = start.sigma / start.alpha, end.sigma / end.alpha
        history = (*state, (before, denoised))[-self.stages :]
        if end.sigma <= 0:
            return Outcome(denoised, denoised, history)
        grown = _scale(np.array([before, after]))
        ratio = float(grown[1] / grown[0])
        clean = (1 - ratio) * denoised
        if len(history) > 1:
            width, points = after - before, after + np.arange(_POINTS) * ((before - after) / _POINTS)
            weights = float(grown[1]) * ((before - after) / _POINTS) / _scale(points)
            slope = _slope(history[-1], history[-2])
            clean = clean + (width + float(weights.sum())) * slope
            if len(history) > 2:  # noqa: PLR2004 - the third stage needs three
                curve = (slope - _slope(history[-2], history[-3])) / ((before - history[-3][0]) / 2)
                clean = clean + (width**2 / 2 + float((weights * (points - before)).sum())) * curve
        fresh = math.sqrt(max(after**2 - (before * ratio) ** 2, 0.0)) * self.s_noise
        x_next = end.alpha * ((ratio / start.alpha) * x + clean + fresh * noise.standard_normal(x.shape))
        return Outcome(x_next, denoised, history)


def _slope(newer: tuple[float, Array], older: tuple[float, Array]) -> Array:
    slope: Array = (newer[1] - older[1]) / (newer[0] - older[0])
    return slope
