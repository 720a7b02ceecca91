"""DPM-Solver++ whose steps of higher order come in groups that start from the same sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import OneCall, Outcome
from edgediff_runtimes.sampling.solvers.exponential import NOISE_KINDS, SDE_KINDS, exponential

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array

_SECOND, _THIRD = 2, 3


def singlestep_orders(steps: int, order: int, *, lower_order_final: bool, ends_clean: bool) -> tuple[int, ...]:
    """The order of every interval: groups of 1, 2 ... order, with what is left over at the end of a lower order."""
    group, left = tuple(range(1, order + 1)), steps % order
    if lower_order_final and left == 0 and order > 1:
        tail = (*group[:-1], 1) if order == _THIRD else (1, 1)
        orders = group * (steps // order - 1) + tail
    else:
        orders = group * (steps // order) + (group[:left] if lower_order_final else ())
    return (*orders[:-1], 1) if ends_clean else orders


@final
@dataclass(frozen=True, slots=True)
class DpmSinglestep(OneCall):
    """DPM-Solver++(2S, 3S) (Lu et al. 2022b, algorithm 1; 2022a, appendix B), orders 1 to 3, one call per interval.

    Every interval is one call; an interval of order k takes its group's first sample and the answers of the last k.
    The state is (history of (level, answer), newest last; the group's first sample).

    Attributes:
        orders: One entry for each interval of the schedule.
        kind: ``dpmsolver``, ``dpmsolver++`` or ``sde-dpmsolver++``.
        solver_type: ``midpoint`` or ``heun``.
        derived: Take the noise from the limited denoised sample (noise prediction with thresholding).
    """

    orders: tuple[int, ...]
    kind: str = "dpmsolver++"
    solver_type: str = "midpoint"
    derived: bool = False

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """An empty history."""
        return ((), x)

    def draws(self, interval: Interval) -> bool:  # noqa: ARG002 - one seam
        """With the SDE kinds."""
        return self.kind in SDE_KINDS

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:
        """Move the group's first sample to the end of the interval."""
        history, base = state
        prediction = denoise(x, interval.start)
        answer = prediction.denoised
        if self.kind in NOISE_KINDS:
            answer = prediction.derived_epsilon() if self.derived else prediction.epsilon()
        history = (*history, (interval.start, answer))[-max(self.orders) :]
        order = min(self.orders[interval.index], len(history))
        base = x if order == 1 else base
        x_next = self._move(base, history[-order:], interval.end, noise)
        return Outcome(x_next, prediction.denoised, (history, base))

    def _move(self, x: Array, group: State, end: Level, noise: NoiseSource) -> Array:
        (first, oldest), (newest_level, newest) = group[0], group[-1]
        weights = exponential(self.kind, first, end)
        x_next: Array = weights.carry * x + weights.first * oldest
        if weights.h == 0:
            group = group[:1]  # over no distance at all the slopes have no weight
        if len(group) > 1:
            r0 = (newest_level.log_snr - first.log_snr) / weights.h
            d0 = (newest - oldest) / r0
        if len(group) == _SECOND:
            x_next = x_next + (weights.midpoint if self.solver_type == "midpoint" else weights.heun) * d0
        elif len(group) == _THIRD:
            middle, between = group[1]
            r1 = (middle.log_snr - first.log_snr) / weights.h
            d1 = (between - oldest) / r1
            if self.solver_type == "midpoint":
                x_next = x_next + weights.heun * d0
            else:
                slope, curve = (r0 * d1 - r1 * d0) / (r0 - r1), 2 * (d0 - d1) / (r0 - r1)
                x_next = x_next + weights.heun * slope + weights.third * curve
        if self.kind == "sde-dpmsolver++":
            # Drawn even where its weight is 0, to keep the order of draws.
            x_next = x_next + weights.noise * noise.standard_normal(x.shape)
        return x_next
