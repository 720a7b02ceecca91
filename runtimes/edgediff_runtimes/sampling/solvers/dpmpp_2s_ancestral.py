"""DPM-Solver++(2S) with ancestral noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import Outcome, Stateless, Stochastic

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Dpmpp2sAncestral(Stateless, Stochastic):
    """A second-order step down, then noise up (Lu et al. 2022b, algorithm 1; Crowson 2022, k-diffusion), two calls.

    On variance-exploding levels. An interval's ``extra`` is (sigma_down, sigma_up), its ``via`` the level halfway to
    sigma_down in log(sigma); an interval without ``via`` (to the clean end) is a first-order step.
    """

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """Two calls, at the start and at the midpoint."""
        return (interval.start, *interval.via)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """To the midpoint, with its denoised sample to sigma_down, and up with noise."""
        start, (down, up) = interval.start, interval.extra
        denoised = denoise(x, start).denoised
        if interval.via:
            keep = interval.via[0].sigma / start.sigma
            denoised = denoise(keep * x + (1 - keep) * denoised, interval.via[0]).denoised
        keep = down / start.sigma
        x_next = keep * x + (1 - keep) * denoised
        if up > 0:
            x_next = x_next + up * noise.standard_normal(x.shape)
        return Outcome(x_next, denoised, state)
