"""Consistency sampling: jump to a clean sample, then put fresh noise on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless, Stochastic

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class TimestepBoundary:
    """The boundary condition of latent consistency models (Luo et al. 2023, section 4.1; c_skip and c_out of t).

    Attributes:
        scaling: Factor of the timestep.
        sigma_data: Standard deviation of the data, 0.5 in the paper.
    """

    scaling: float
    sigma_data: float = 0.5

    def __call__(self, denoised: Array, x: Array, level: Level) -> Array:
        """``c_out(t) denoised + c_skip(t) x``."""
        t = float(level.t.item()) * self.scaling
        norm = t * t + self.sigma_data**2
        blended: Array = (t / norm**0.5) * denoised + (self.sigma_data**2 / norm) * x
        return blended


@final
@dataclass(frozen=True, slots=True)
class Renoise(OneCall, Stateless, Stochastic):
    """Multistep consistency sampling (Song et al. 2023, algorithm 1), order 1, stochastic.

    Attributes:
        boundary: What makes the clean sample equal ``x`` at the clean end, if the network does not do so itself.
    """

    boundary: TimestepBoundary | None = None

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Jump to the clean sample and noise it to the end level."""
        start, end = interval.start, interval.end
        denoised = denoise(x, start).denoised
        if self.boundary is not None:
            denoised = self.boundary(denoised, x, start)
        x_next = denoised
        if end.sigma > 0:
            x_next = end.alpha * denoised + end.sigma * noise.standard_normal(denoised.shape)
        return Outcome(x_next, denoised, state)
