"""DPM-Solver and DPM-Solver++ with a history instead of extra network calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.noise.brownian import BrownianPath
from edgediff_runtimes.sampling.solver import OneCall, Outcome
from edgediff_runtimes.sampling.solvers.exponential import NOISE_KINDS, SDE_KINDS, exponential

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.prediction import Prediction
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array

# Below this many steps the last ones are of a lower order, for stability (Lu et al. 2022b, appendix).
FEW_STEPS = 15


@final
@dataclass(frozen=True, slots=True)
class DpmMultistep(OneCall):
    """DPM-Solver++(1M, 2M, 3M) and relatives (Lu et al. 2022b, algorithm 2), one call.

    Orders 1 and 2. The third-order rule is kept as its authors published it; its last term takes half of the second
    derivative, so that it converges with order 2 and a smaller constant.

    The state is the Brownian path or None, then (half log-SNR, answer) of the last steps, newest last.

    Attributes:
        order: 1, 2 or 3.
        kind: One of ``exponential.KINDS``.
        solver_type: ``midpoint`` or ``heun``, the two second-order rules.
        lower_order_final: Lower the order of the last two steps if there are few steps.
        euler_at_final: Make the last step of first order.
        derived: Take the noise from the limited denoised sample (noise prediction with thresholding).
        discards: Draw twice in a second-order step and use the second draw, as the reference of CogVideoX does.
        brownian: Take the noise from a Brownian path in sigma over this span (normals of a torch CPU generator,
            whatever the noise source), rather than draw by draw.
    """

    order: int = 2
    kind: str = "dpmsolver++"
    solver_type: str = "midpoint"
    lower_order_final: bool = True
    euler_at_final: bool = False
    derived: bool = False
    discards: bool = False
    brownian: tuple[float, float] | None = None

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """The Brownian path, if any, and an empty history."""
        return (None if self.brownian is None else BrownianPath(*self.brownian, x.shape, noise.seeds),)

    def draws(self, interval: Interval) -> bool:  # noqa: ARG002 - one seam
        """With the SDE kinds."""
        return self.kind in SDE_KINDS

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Integrate the answers' interpolation polynomial exactly."""
        start, end = interval.start, interval.end
        prediction = denoise(x, start)
        path, *history = state
        history = [*history, (start.log_snr, self._answer(prediction))][-self.order :]
        weights = exponential(self.kind, start, end)
        # Over no distance at all the slopes have no weight.
        order = 1 if weights.h == 0 else min(self._order(interval), len(history))
        now, newest = history[-1]
        x_next = weights.carry * x + weights.first * newest
        if order > 1:
            before, older = history[-2]
            r0 = (now - before) / weights.h
            d1 = (newest - older) / r0
            if order == 2:  # noqa: PLR2004 - the order's own number
                x_next = x_next + (weights.midpoint if self.solver_type == "midpoint" else weights.heun) * d1
            else:
                earlier, oldest = history[-3]
                r1 = (before - earlier) / weights.h
                slope = (d1 - (older - oldest) / r1) / (r0 + r1)
                x_next = x_next + weights.heun * (d1 + r0 * slope) + weights.third * slope
        if self.discards and order > 1:
            noise.standard_normal(x.shape)
        if weights.noise > 0:
            fresh = noise.standard_normal(x.shape) if path is None else path.unit_increment(start.sigma, end.sigma)
            x_next = x_next + weights.noise * fresh
        return Outcome(x_next, prediction.denoised, (path, *history))

    def _answer(self, prediction: Prediction) -> Array:
        if self.kind not in NOISE_KINDS:
            return prediction.denoised
        return prediction.derived_epsilon() if self.derived else prediction.epsilon()

    def _order(self, interval: Interval) -> int:
        """The order at this place; to a clean end, or below whole timestep 0, a first-order step is made."""
        left, few = interval.total - interval.index, self.lower_order_final and interval.total < FEW_STEPS
        below = np.issubdtype(interval.end.t.dtype, np.integer) and interval.end.t.item() < 0
        if interval.end.sigma <= 0 or below or (left == 1 and (self.euler_at_final or few)):
            return 1
        return min(self.order, 2) if few and left == 2 else self.order  # noqa: PLR2004 - the last but one
