"""Pi-flow: the network gives a policy for a whole step, which is rolled out without asking it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.solver import Deterministic, OneCall, Outcome, Stateless

if TYPE_CHECKING:
    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class PolicyFlow:
    """The network predicts flow velocities of several times within the step, side by side in the last axis.

    Attributes:
        n_grid: How many; the first is for the end of the step, the last for its start.
    """

    n_grid: int
    name: str = "flow_prediction"

    def grid(self, raw: Array) -> Array:
        """The velocities, (n_grid, batch, ..., channels)."""
        split = raw.reshape(*raw.shape[:-1], self.n_grid, raw.shape[-1] // self.n_grid)
        return np.asarray(np.moveaxis(split, -2, 0))

    def denoised(self, raw: Array, x: Array, level: Level) -> Array:
        """The clean sample at the start of the step, ``x - sigma velocity``.

        Raises:
            SamplerError: the network does not return ``n_grid`` velocities.
        """
        if raw.shape[-1] != self.n_grid * x.shape[-1]:
            expected = f"a network that returns {self.n_grid} velocities side by side in the last axis"
            raise SamplerError("n_grid", got=raw.shape[-1], expected=expected)
        clean: Array = x - level.sigma * self.grid(raw)[-1]
        return clean

    def epsilon(self, raw: Array, x: Array, level: Level) -> Array:
        """The noise at the start of the step, ``x + alpha velocity``."""
        noise: Array = x + level.alpha * self.grid(raw)[-1]
        return noise


@final
@dataclass(frozen=True, slots=True)
class Piflow(OneCall, Stateless, Deterministic):
    """Policy-based flow (Chen et al. 2025, "pi-Flow", DX policy), order 1: many small Euler steps under one policy.

    An interval's ``extra`` is (time at its start, time at its end), before the shift.

    Attributes:
        parametrisation: How the network's output is a policy.
        shift: Shift of the flow's times.
        substeps: Small steps for the whole of the time.
        smallest: Lower bound of sigma and of a step's length where they divide.
    """

    parametrisation: PolicyFlow
    shift: float
    substeps: int
    smallest: float

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """Roll the policy out over the interval."""
        prediction, (time, end) = denoise(x, interval.start), interval.extra
        clean = x[None] - interval.start.sigma * self.parametrisation.grid(prediction.raw)
        length, sigma, bottom = max(time - end, self.smallest), interval.start.sigma, end
        count = max(round((time - end) * self.substeps), 1)
        stride = (time - end) / count
        for _ in range(count):
            place = (sigma / (self.shift + (1 - self.shift) * sigma) - bottom) / length
            velocity = (x - _between(clean, place)) / max(sigma, self.smallest)
            time = max(time - stride, 0.0)
            lower = self.shift * time / (1 + (self.shift - 1) * time)
            x, sigma = x + (lower - sigma) * velocity, lower
        return Outcome(x, prediction.denoised, state)


def _between(grid: Array, place: float) -> Array:
    """Linear interpolation along the first axis at ``place`` from 0 to 1."""
    position = min(max(place, 0.0), 1.0) * (len(grid) - 1)
    low = min(int(position), len(grid) - 2)
    value: Array = (low + 1 - position) * grid[low] + (position - low) * grid[low + 1]
    return value
