"""SA-Solver: a stochastic Adams predictor and corrector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stochastic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


def middle_tau(t: float) -> float:
    """The default of the reference: full noise from timestep 200 to 800, none elsewhere."""
    return 1.0 if 200 <= t <= 800 else 0.0  # noqa: PLR2004 - the reference's own bounds


@cache
def _quadrature() -> tuple[Array, Array]:
    """Gauss-Legendre points and weights on [-1, 1], exact up to degree 31."""
    points, shares = np.polynomial.legendre.leggauss(16)
    return points, shares


@final
@dataclass(frozen=True, slots=True)
class SaSolver(OneCall, Stochastic):
    """SA-Solver (Xue et al. 2023, algorithm 1, equations 13 to 18), order of the corrector, stochastic, one call.

    The state is (history of (log SNR, answer), newest last; sample, noise and tau of the last step; steps made).

    Attributes:
        predictor_order: 1 to 4.
        corrector_order: 1 to 4.
        tau: Share of noise by timestep: 0 is the ODE, 1 the reverse SDE.
        data: Integrate the denoised sample rather than the noise.
        lower_order_final: Lower the orders towards the end.
        derived: Take the noise from the limited denoised sample (noise prediction with thresholding).
    """

    predictor_order: int = 2
    corrector_order: int = 2
    tau: Callable[[float], float] = middle_tau
    data: bool = True
    lower_order_final: bool = True
    derived: bool = False

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """An empty history."""
        return ((), None, None, 0.0)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Correct the sample with the network's answer to it, then predict the next."""
        history, before, fresh, tau = state
        start, left = interval.start, interval.total - interval.index
        prediction = denoise(x, start)
        answer = prediction.denoised
        if not self.data:
            answer = prediction.derived_epsilon() if self.derived else prediction.epsilon()
        longest = max(self.predictor_order, self.corrector_order - 1)
        if before is not None:
            # What the corrector's order was when the sample was predicted, one step earlier.
            order = min(self.corrector_order, len(history) + 1)
            order = min(order, left + 2) if self.lower_order_final else order
            x = self._move(before, (*history, (start, answer))[-order:], history[-1][0], start, fresh, tau)
        history = (*history, (start, answer))[-longest:]
        order = min(self.predictor_order, len(history))
        order = min(order, left) if self.lower_order_final else order
        tau, fresh = float(self.tau(start.t.item())), noise.standard_normal(x.shape)
        x_next = self._move(x, history[-order:], start, interval.end, fresh, tau)
        return Outcome(x_next, prediction.denoised, (history, x, fresh, tau))

    def _move(self, x: Array, nodes: State, start: Level, end: Level, fresh: Array, tau: float) -> Array:
        """Integrate the polynomial through the answers at ``nodes`` from ``start`` to ``end``."""
        h, growth = end.log_snr - start.log_snr, 1 + tau**2
        weights = self._weights([level.log_snr for level, _ in nodes], start.log_snr, end.log_snr, growth)
        if self.data and len(nodes) == 2:  # noqa: PLR2004 - the reference refines its second order only
            shift = self._refinement(nodes, start, h, growth)
            weights = [weights[0] - shift, weights[1] + shift]
        if self.data:
            carry = math.exp(-(tau**2) * h) * end.sigma / start.sigma
            scale, spread = growth * end.sigma, end.sigma * math.sqrt(-math.expm1(-2 * tau**2 * h))
        else:
            carry = end.alpha / start.alpha
            scale, spread = -growth * end.alpha, tau * end.sigma * math.sqrt(math.expm1(2 * h))
        x_next: Array = carry * x + spread * fresh
        for weight, (_, answer) in zip(weights, nodes, strict=True):
            x_next = x_next + (scale * weight) * answer
        return x_next

    def _weights(self, nodes: Sequence[float], start: float, end: float, growth: float) -> list[float]:
        """Integrals of the Lagrange polynomials against the exponential kernel, by Gauss-Legendre quadrature."""
        points, shares = _quadrature()
        times = (start + end) / 2 + (end - start) / 2 * points
        # exp(-tau^2 end) exp((1 + tau^2) time) in data prediction, exp(-time) in noise prediction.
        kernel = np.exp(growth * times - (growth - 1) * end) if self.data else np.exp(-times)
        shares = shares * (end - start) / 2 * kernel
        return [
            float(sum(shares * np.prod([(times - b) / (a - b) for j, b in enumerate(nodes) if j != k], axis=0)))
            for k, a in enumerate(nodes)
        ]

    def _refinement(self, nodes: State, start: Level, h: float, growth: float) -> float:
        """The second-order term that the reference replaces (its code; appendix of Xue et al. 2023)."""
        rest = (h * growth + math.expm1(-growth * h)) / growth**2
        (older, _), (newer, _) = nodes
        # In the predictor both nodes lie at or before the start; in the corrector they are the interval's ends.
        width = start.log_snr - older.log_snr if newer is start else h
        return float(math.exp(start.log_snr + h) * (h**2 / 2 - rest) / width)
