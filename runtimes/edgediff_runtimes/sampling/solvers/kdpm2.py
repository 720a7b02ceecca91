"""DPM-Solver-2 in the coordinates of Karras et al., deterministic and ancestral."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import Outcome, Stateless

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Kdpm2(Stateless):
    """The midpoint method in log(sigma) (Lu et al. 2022a, on the levels of Karras et al. 2022), order 2, two calls.

    The midpoint is the interval's ``via``; an interval without one (to the clean end) is an Euler step.

    The ancestral variant aims at a sigma below the end level and makes up for it with fresh noise: an interval whose
    ``extra`` is such a pair (sigma_down, sigma_up) is stepped that way.
    """

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """Two calls, at the start and at the midpoint."""
        return (interval.start, *interval.via)

    def draws(self, interval: Interval) -> bool:
        """Where the interval is ancestral."""
        return interval.extra is not None

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """An Euler step to the midpoint, and its slope for the whole interval."""
        start, end = interval.start, interval.end
        denoised = denoise(x, start).denoised
        slope = (x - denoised) / start.sigma
        if not interval.via:
            return Outcome(x + (end.sigma - start.sigma) * slope, denoised, state)
        middle = interval.via[0]
        down, up = interval.extra or (end.sigma, 0.0)
        x_middle = x + (middle.sigma - start.sigma) * slope
        denoised = denoise(x_middle, middle).denoised
        x_next = x + (down - start.sigma) * ((x_middle - denoised) / middle.sigma)
        if up > 0:
            x_next = x_next + up * noise.standard_normal(x.shape)
        return Outcome(x_next, denoised, state)
