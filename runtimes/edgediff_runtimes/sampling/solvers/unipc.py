"""UniPC: a predictor and a corrector that share one network call."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.sampling.solver import Deterministic, OneCall, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class UniPc(OneCall, Deterministic):
    """UniPC (Zhao et al. 2023, algorithms 1 and 2, appendix for B(h)), order p and p + 1 when corrected, one call.

    The state is (history of (level, answer), newest last; the sample that the last step started from; its order).

    Attributes:
        order: p, 1 or more.
        bh1: Take ``B(h) = h`` rather than ``B(h) = exp(h) - 1``.
        data: Integrate the denoised sample rather than the noise.
        lower_order_final: Lower the order towards the end.
        uncorrected: Indices of intervals whose result is not corrected.
    """

    order: int = 2
    bh1: bool = False
    data: bool = True
    lower_order_final: bool = True
    uncorrected: frozenset[int] = frozenset()

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """An empty history, no sample, no order."""
        return ((), None, 0)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """Correct the sample with the network's answer to it, then predict the next."""
        history, before, order = state
        prediction = denoise(x, interval.start)
        answer = prediction.denoised if self.data else prediction.epsilon()
        if before is not None and interval.index - 1 not in self.uncorrected:
            x = self._move(before, history, interval.start, order, answer)
        history = (*history, (interval.start, answer))[-max(self.order, 1) :]
        order = min(self.order, interval.total - interval.index) if self.lower_order_final else self.order
        order = 1 if interval.end.sigma <= 0 else min(order, len(history))
        x_next = self._move(x, history, interval.end, order, None)
        return Outcome(x_next, prediction.denoised, (history, x, order))

    def _move(self, x: Array, history: State, end: Level, order: int, answer: Array | None) -> Array:
        """From the newest level of the history to ``end``; with the answer there, the corrector's move."""
        start, newest = history[-1]
        h = end.log_snr - start.log_snr
        if h == 0:
            return x
        hh = -h if self.data else h
        grown = math.expm1(hh)
        carry, scale = (end.sigma / start.sigma, end.alpha) if self.data else (end.alpha / start.alpha, end.sigma)
        x_next: Array = carry * x - (scale * grown) * newest
        if order == 1 and answer is None:
            return x_next
        ratios, slopes = [], []
        for level, older in list(history)[-order:-1][::-1]:
            if math.isinf(level.log_snr):
                continue  # a level of pure noise says nothing about the slope
            ratios.append((level.log_snr - start.log_snr) / h)
            slopes.append((older - newest) / ratios[-1])
        width = hh if self.bh1 else grown
        nodes = ratios
        if answer is not None:
            nodes, slopes = [*ratios, 1.0], [*slopes, answer - newest]
        # The two smallest systems have a fixed solution (appendix F); what is left of a larger one is solved.
        smallest = order == (2 if answer is None else 1)
        weights = [0.5] * len(slopes) if smallest else _weights(nodes, hh, width)
        for weight, slope in zip(weights, slopes, strict=True):
            x_next = x_next - (scale * width * weight) * slope
        return x_next


def _weights(nodes: list[float], hh: float, width: float) -> list[float]:
    """Solve the order conditions: one weight for the slope at each node."""
    matrix = np.vander(np.array(nodes), increasing=True).T
    return [float(weight) for weight in np.linalg.solve(matrix, _conditions(hh, len(nodes)) / width)]


def _conditions(hh: float, size: int) -> NDArray[np.float64]:
    """``k! phi_(k + 1)(hh) hh`` for k = 1 ... size."""
    phi, factorial, values = math.expm1(hh) / hh - 1, 1.0, []
    for k in range(1, size + 1):
        values.append(phi * factorial)
        factorial *= k + 1
        phi = phi / hh - 1 / factorial
    return np.array(values)
