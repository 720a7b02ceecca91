"""RePaint: inpainting with a model that was not trained for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.sampling.solver import Outcome, Stochastic
from edgediff_runtimes.sampling.solvers.ddim import ancestral_std

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True, eq=False)
class RePaint(Stochastic):
    """Lugmayr et al. 2022, algorithm 1, order 1, stochastic: the known part is noised anew, the rest is denoised.

    An interval whose ``extra`` is a tuple of betas goes back up by that much noise, without asking the network.

    Attributes:
        original: The picture, of the sample's shape.
        mask: 1 where the picture is known and kept, 0 where it is drawn anew; broadcasts to the sample.
        eta: Share of fresh noise in the unknown part.
    """

    original: Array
    mask: Array
    eta: float = 0.0

    def calls(self, interval: Interval) -> tuple[Level, ...]:
        """One call, at the start; none on the way back up."""
        return () if interval.extra is not None else (interval.start,)

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """Nothing to remember but the last denoised sample."""
        return (x,)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Down by one step, or up by one stride."""
        if interval.extra is not None:
            for beta in interval.extra:
                x = math.sqrt(1 - beta) * x + math.sqrt(beta) * noise.standard_normal(x.shape)
            return Outcome(x, state[0], state)
        start, end = interval.start, interval.end
        prediction = denoise(x, start)
        fresh = noise.standard_normal(x.shape)
        std = self.eta * ancestral_std(start, end) if self.eta > 0 else 0.0
        unknown = end.alpha * prediction.denoised + math.sqrt(max(end.sigma**2 - std**2, 0.0)) * prediction.epsilon()
        if std > 0 and start.t.item() > 0:
            unknown = unknown + std * fresh
        known = end.alpha * self.original + end.sigma * fresh
        x_next = (self.mask * known + (1 - self.mask) * unknown).astype(np.float32)
        return Outcome(x_next, prediction.denoised, (prediction.denoised,))
