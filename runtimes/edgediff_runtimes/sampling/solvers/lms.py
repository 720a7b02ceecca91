"""The linear multistep method of k-diffusion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import Deterministic, OneCall, Outcome, Stateless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Lms(OneCall, Stateless, Deterministic):
    """Adams-Bashforth on uneven steps (Crowson 2022, k-diffusion; Hairer et al. 1993, III.5), order 4, one call.

    The history is a tuple of (sigma, slope) of the last steps, newest last.

    Attributes:
        order: Length of the history; the order of the method once it is full.
    """

    order: int = 4

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """Integrate the slopes' interpolation polynomial over the interval."""
        start, end = interval.start, interval.end
        denoised = denoise(x, start).denoised
        history = (*state, (start.sigma, (x - denoised) / start.sigma))[-self.order :]
        nodes = [sigma for sigma, _ in history]
        x_next = x
        for k, (_, slope) in enumerate(history):
            x_next = x_next + _basis_integral(nodes, k, start.sigma, end.sigma) * slope
        return Outcome(x_next, denoised, history)


def _basis_integral(nodes: Sequence[float], k: int, start: float, end: float) -> float:
    """Integral of the k-th Lagrange polynomial; two Gauss points are exact up to the third degree."""
    middle, half = (start + end) / 2, (end - start) / 2
    total = 0.0
    for point in (middle - half / math.sqrt(3), middle + half / math.sqrt(3)):
        value = 1.0
        for j, node in enumerate(nodes):
            if j != k:
                value *= (point - node) / (nodes[k] - node)
        total += value
    return half * total
