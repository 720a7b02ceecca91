"""Ancestral sampling on straight paths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import OneCall, Outcome, Stateless

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class FlowAncestral(OneCall, Stateless):
    """Euler ancestral for rectified flows (as in ComfyUI and LTX-Video), order 1, stochastic.

    Attributes:
        eta: Share of fresh noise; 0 is the flow-matching Euler.
        s_noise: Factor of the noise.
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def draws(self, interval: Interval) -> bool:  # noqa: ARG002 - one seam
        """Unless its share or its factor is 0."""
        return self.eta > 0 and self.s_noise > 0

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """An Euler step below the end level, then back up to it with noise."""
        start, end = interval.start, interval.end
        denoised = denoise(x, start).denoised
        if end.sigma <= 0:
            return Outcome(denoised, denoised, state)
        down = end.sigma * (1 + (end.sigma / start.sigma - 1) * self.eta)
        ratio = down / start.sigma
        x_next = ratio * x + (1 - ratio) * denoised
        if self.eta > 0 and self.s_noise > 0:
            scale = end.alpha / (1 - down)
            spread = math.sqrt(max(end.sigma**2 - (down * scale) ** 2, 0.0))
            x_next = scale * x_next + (spread * self.s_noise) * noise.standard_normal(x.shape)
        return Outcome(x_next, denoised, state)
