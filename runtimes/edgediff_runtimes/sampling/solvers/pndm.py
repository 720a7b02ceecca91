"""Pseudo numerical methods on DDIM's transfer: PRK, PLMS and their four-step Adams-Bashforth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.prediction import Velocity
from edgediff_runtimes.sampling.solver import Deterministic, OneCall, Outcome
from edgediff_runtimes.sampling.solvers.ipndm import ADAMS_BASHFORTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval, Level
    from edgediff_runtimes.sampling.prediction import Prediction
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


_RUNGE_KUTTA = (1 / 6, 1 / 3, 1 / 3, 1 / 6)


@final
@dataclass(frozen=True, slots=True)
class Pndm(OneCall, Deterministic):
    """PNDM (Liu et al. 2022, equations 11 to 13, algorithm 2), order 2 (its section 3.5), one call per interval.

    Every call of the network is an interval of its own. An interval's ``extra`` is the stage of a Runge-Kutta step (0
    to 3), or None for a linear multistep; ``via`` is the level that the transfer starts from where it is not the start:
    the step's first level in a Runge-Kutta step, or the level one stride above in the second multistep, which repeats
    the first.

    The state is (last outputs, newest last; sum of a Runge-Kutta step so far; its first sample; number of calls).
    """

    def init(self, x: Array, intervals: Sequence[Interval], noise: NoiseSource) -> State:  # noqa: ARG002 - one seam
        """No outputs, no sum, no sample, no calls."""
        return ((), None, None, 0)

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """One call of the network, and the transfer that it allows."""
        prediction = denoise(x, interval.start)
        if interval.extra is not None:
            return self._runge_kutta(prediction, x, interval, state)
        return self._multistep(prediction, x, interval, state)

    def _runge_kutta(self, prediction: Prediction, x: Array, interval: Interval, state: State) -> Outcome:
        outputs, total, first, made = state
        stage, raw = interval.extra, prediction.raw
        if stage == 0:
            outputs, total, first = (*outputs, raw), _RUNGE_KUTTA[0] * raw, x
        else:
            total = total + _RUNGE_KUTTA[stage] * raw
        mixed = total if stage == len(_RUNGE_KUTTA) - 1 else raw
        x_next = _transfer(prediction, mixed, first, interval.via[0], interval.end)
        return Outcome(x_next, prediction.denoised, (outputs, total, first, made + 1))

    def _multistep(self, prediction: Prediction, x: Array, interval: Interval, state: State) -> Outcome:
        outputs, _, first, made = state
        raw = prediction.raw
        if made == 1:
            # The first step is made again, with the mean of both slopes.
            x_next = _transfer(prediction, (raw + outputs[-1]) / 2, first, interval.via[0], interval.start)
            return Outcome(x_next, prediction.denoised, (outputs, None, None, made + 1))
        outputs = (*outputs, raw)[-len(ADAMS_BASHFORTH) :]
        weights = ADAMS_BASHFORTH[len(outputs) - 1]
        mixed = sum(w * output for w, output in zip(weights, reversed(outputs), strict=True))
        x_next = _transfer(prediction, mixed, x, interval.start, interval.end)
        return Outcome(x_next, prediction.denoised, (outputs, None, x if made == 0 else None, made + 1))


def _transfer(prediction: Prediction, raw: Array, x: Array, start: Level, end: Level) -> Array:
    """DDIM's step in the form of Liu et al. 2022, equation 11."""
    a, b = start.alpha**2, end.alpha**2
    epsilon = raw
    if isinstance(prediction.parametrisation, Velocity):
        epsilon = prediction.parametrisation.epsilon(raw, x, start)
    weight = (b - a) / (a * end.sigma + math.sqrt(a * start.sigma**2 * b))
    x_next: Array = (end.alpha / start.alpha) * x - weight * epsilon
    return x_next
