"""The first-order step that most samplers share: DDIM, Euler, Euler ancestral, the flow-matching Euler."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


def ancestral_std(start: Level, end: Level) -> float:
    """Standard deviation of the posterior of ``end`` given ``start`` and the clean sample (Song et al. 2021, eq. 16).

    On variance-exploding levels this is ``sigma_up`` of the ancestral samplers.
    """
    if end.sigma <= 0 or end.alpha <= 0:
        return 0.0
    ratio = start.alpha / end.alpha
    kept = max(start.sigma**2 - (ratio * end.sigma) ** 2, 0.0)
    return end.sigma / start.sigma * math.sqrt(kept)


@final
@dataclass(frozen=True, slots=True)
class Ddim(OneCall, Stateless):
    """DDIM (Song et al. 2021, equation 12), order 1: keep the clean sample and the noise, change how they are mixed.

    With ``eta = 0`` it is the Euler method of the probability flow on every kind of level: on variance-exploding levels
    Euler's (Karras et al. 2022), on flow levels the flow-matching Euler. With ``eta = 1`` it is ancestral sampling.

    Attributes:
        eta: Share of fresh noise, from 0 (none) to 1 (the posterior's).
        derived: Take the noise from the limited denoised sample rather than from the network's output.
    """

    eta: float = 0.0
    derived: bool = False

    def draws(self, interval: Interval) -> bool:  # noqa: ARG002 - one seam
        """With ``eta``."""
        return self.eta > 0

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Mix the clean sample and the noise as at the end level, with a share of fresh noise."""
        end = interval.end
        prediction = denoise(x, interval.start)
        std = self.eta * ancestral_std(interval.start, end) if self.eta > 0 else 0.0
        epsilon = prediction.derived_epsilon() if self.derived else prediction.epsilon()
        x_next = end.alpha * prediction.denoised + math.sqrt(max(end.sigma**2 - std**2, 0.0)) * epsilon
        if std > 0:
            x_next = x_next + std * noise.standard_normal(x.shape)
        return Outcome(x_next, prediction.denoised, state)
