"""Euler steps whose noise comes from the unguided network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless
from edgediff_runtimes.sampling.solvers.ddim import ancestral_std

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class CfgPlusPlus(OneCall, Stateless):
    """CFG++ (Chung et al. 2024, algorithm 2) with Euler steps, order 1.

    The network returns ``PredictionPair``: the guided output and the unguided one.

    Attributes:
        ancestral: Aim below the end level and make up for it with fresh noise.
    """

    ancestral: bool = False

    def draws(self, interval: Interval) -> bool:  # noqa: ARG002 - one seam
        """Where it is ancestral."""
        return self.ancestral

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """The guided clean sample, noised again with the unguided noise."""
        start, end = interval.start, interval.end
        prediction = denoise(x, start)
        if prediction.unguided is None:
            raise SamplerError(
                "sampler",
                got="CFG++",
                expected="a network that returns `PredictionPair`, the guided and the unguided output",
            )
        up = ancestral_std(start, end) if self.ancestral else 0.0
        down = (end.sigma**2 - up**2) ** 0.5
        unguided = prediction.parametrisation.epsilon(prediction.unguided, x, start)
        x_next = end.alpha * prediction.denoised + down * unguided
        if up > 0:
            x_next = x_next + up * noise.standard_normal(x.shape)
        return Outcome(x_next, prediction.denoised, state)
