"""Second-order steps that ask the network twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import Deterministic, Outcome, Stateless

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Heun(Stateless, Deterministic):
    """Heun's method (Karras et al. 2022, algorithm 1 without churn), order 2, two calls; Euler where the end is clean.

    ``dx/dsigma = (x - denoised) / sigma`` holds on variance-exploding and on flow levels.
    """

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """Two calls, at the start and at the end; one where the end is clean."""
        return (interval.start, interval.end) if interval.end.sigma > 0 else (interval.start,)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """An Euler step, corrected by the slope at its end."""
        start, end = interval.start, interval.end
        denoised = denoise(x, start).denoised
        slope = (x - denoised) / start.sigma
        width = end.sigma - start.sigma
        x_next = x + width * slope
        if end.sigma > 0:
            denoised = denoise(x_next, end).denoised
            x_next = x + width * ((slope + (x_next - denoised) / end.sigma) / 2)
        return Outcome(x_next, denoised, state)
