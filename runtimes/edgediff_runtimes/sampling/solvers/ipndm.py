"""The improved pseudo numerical method: Adams-Bashforth of the noise on DDIM's transfer, without warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import Deterministic, OneCall, Outcome, Stateless

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array

ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
_SMALLEST_ALPHA = 1e-8


@final
@dataclass(frozen=True, slots=True)
class Ipndm(OneCall, Stateless, Deterministic):
    """F-PNDM with multistep starts (Liu et al. 2022, equation 12; Zhang & Chen 2023, section 3.3), order 2, one call.

    The history is a tuple of the noises of the last steps, newest last.
    """

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """DDIM's step with the extrapolated noise."""
        start, end = interval.start, interval.end
        prediction = denoise(x, start)
        history = (*state, prediction.epsilon())[-len(ADAMS_BASHFORTH) :]
        weights = ADAMS_BASHFORTH[len(history) - 1]
        epsilon = sum(w * noise for w, noise in zip(weights, reversed(history), strict=True))
        clean = (x - start.sigma * epsilon) / max(start.alpha, _SMALLEST_ALPHA)
        return Outcome(end.alpha * clean + end.sigma * epsilon, prediction.denoised, history)
