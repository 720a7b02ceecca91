"""DPM-Solver++ (SDE) with two network calls per step and a Brownian path."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.noise.brownian import BrownianPath
from edgediff_runtimes.sampling.solver import Outcome, Stochastic
from edgediff_runtimes.sampling.solvers.ddim import ancestral_std

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class DpmSde(Stochastic):
    """The stochastic singlestep of second order (Lu et al. 2022b; Crowson 2022, k-diffusion), two calls.

    The midpoint in log(sigma) is the interval's ``via``. Both moves of a step start from the same sample and take their
    noise from one Brownian path in sigma, so that overlapping moves get fitting noise. The path draws the normals of a
    torch CPU generator, whatever the kind of the noise source, which gives only its seeds.

    Attributes:
        seed: Seed of the path; None takes the noise source's seeds.
        span: The lowest and the highest sigma of the whole schedule.
        s_noise: Factor of the noise.
    """

    span: tuple[float, float]
    seed: int | None = None
    s_noise: float = 1.0

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """Two calls, at the start and at the midpoint; one where the end is clean."""
        return (interval.start, *interval.via)

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """The Brownian path."""
        seeds = noise.seeds if self.seed is None else (self.seed,)
        return (BrownianPath(*self.span, x.shape, seeds),)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """Move to the midpoint, and from the start to the end with the midpoint's denoised sample."""
        (path,) = state
        start, end = interval.start, interval.end
        denoised = denoise(x, start).denoised
        if not interval.via:
            return Outcome(denoised, denoised, state)
        # The path is resolved to 1e-6, less than the last bit of a large sigma, and moves by 1e-3 there: it is asked at
        # the times at which the reference asks, which go through log and exp in float32.
        first, last = _log32(start.sigma), _log32(end.sigma)
        middle = first + (last - first) * np.float32(0.5)
        x_middle = self._move(path.unit_increment(_exp32(first), _exp32(middle)), x, denoised, start, interval.via[0])
        denoised = denoise(x_middle, interval.via[0]).denoised
        fresh = path.unit_increment(_exp32(first), _exp32(last))
        return Outcome(self._move(fresh, x, denoised, start, end), denoised, state)

    def _move(self, fresh: Array, x: Array, denoised: Array, start: Level, end: Level) -> Array:
        up = min(end.sigma, ancestral_std(start, end))
        keep = math.sqrt(end.sigma**2 - up**2) / start.sigma
        x_next: Array = keep * x + (1 - keep) * denoised + (self.s_noise * up) * fresh
        return x_next


def _log32(sigma: float) -> np.float32:
    return np.float32(-math.log(sigma))


def _exp32(time: np.float32) -> float:
    return float(np.float32(math.exp(-float(time))))
