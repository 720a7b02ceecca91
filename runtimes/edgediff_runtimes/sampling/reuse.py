"""Fewer network calls for all steps: some are made, and the others are extrapolated from them.

Along a deterministic trajectory the predicted noise changes slowly with the log of the signal-to-noise ratio. A call
that is left out is answered by the line through the noises of the last two calls that were made, in log-SNR, or by a
polynomial of the order that ``edgediff tune`` found for it. What is extrapolated is the noise (not the clean sample nor
the velocity) because that came out nearest on the trained model (``docs/reuse.md``). It is put into the form in which
the network would have answered, so that solvers, guidance, batches and limits are as they were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from edgediff_runtimes.sampling.prediction import PredictionPair

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.prediction import Model, Parametrisation
    from edgediff_runtimes.sampling.sampler import Sampler
    from edgediff_runtimes.tensors import Array

# The first two calls and the last one are always made: nothing is known before, and nothing mends an error at the end.
FEWEST = 3
HIGHEST = 2  # order of what is extrapolated; higher ones only add what the rounding of a quantised network gave


def polynomial_weights(places: Sequence[float], place: float) -> tuple[float, ...]:
    """Weights of values at some places for the polynomial through them (Lagrange's), at another place.

    A place of no signal at all, whose log-SNR is infinite, is infinitely far away: it gets no weight, and the
    polynomial is of one degree less.

    Args:
        places: Log-SNRs at which values are known, all different; at least one.
        place: A finite log-SNR.
    """
    finite = [one for one in places if math.isfinite(one)]
    if not finite:
        return (1.0, *(0.0 for _ in places[1:]))
    return tuple(
        math.prod((place - other) / (one - other) for other in finite if other != one) if math.isfinite(one) else 0.0
        for one in places
    )


def why_not_reusable(sampler: Sampler) -> str | None:
    """Why nothing can be extrapolated along a sampler's trajectories, as the end of a sentence; None: it can."""
    if sampler.discrete or not sampler.like_sample:
        return "this sampler's predictions are no noise"
    return "this sampler draws fresh noise in its steps" if sampler.stochastic else None


@final
@dataclass(frozen=True, slots=True)
class ReuseSchedule:
    """Which calls of a run are made, and how the others are extrapolated.

    Attributes:
        orders: One entry for each call of the run, in call order: None where it is made; else the degree of the
            polynomial in log-SNR through the noises of the last calls that were made, from 0 (the last one is held)
            to ``HIGHEST``.
    """

    orders: tuple[int | None, ...]

    @staticmethod
    def fits(orders: Sequence[object]) -> bool:
        """Whether these are orders of a schedule: the first two calls and the last one are made."""
        known = all(order is None or (type(order) is int and 0 <= order <= HIGHEST) for order in orders)
        ends = (*orders[:2], *orders[-1:])
        return known and len(orders) >= FEWEST and ends == (None, None, None)

    @classmethod
    def of(cls, made: Collection[int], total: int, *, order: int = 1) -> ReuseSchedule:
        """The schedule that makes these calls of so many, with one order for all others."""
        return cls(tuple(None if call in made else order for call in range(total)))

    @classmethod
    def even(cls, made: int, total: int) -> ReuseSchedule:
        """The schedule where nothing better is known: the first call, and the others spread evenly behind it.

        Args:
            made: How many are made, from ``FEWEST`` (or ``total``, where that is less) to ``total``.
            total: Network calls of the run.
        """
        others = np.linspace(1, total - 1, made - 1) if total > 1 else ()
        return cls.of({0, *(round(place) for place in others)}, total)

    @property
    def made(self) -> tuple[int, ...]:
        """The calls that are made, from 0."""
        return tuple(call for call, order in enumerate(self.orders) if order is None)


@final
@dataclass(slots=True)
class Reusing:
    """Between a sampler and its network: makes some calls of one run, and extrapolates what the others would give.

    Attributes:
        levels: Of every call of the run, in call order: ``Sampler.calls``.
        parametrisation: What the network's output means.
        schedule: As long as ``levels``.
        most: The largest prediction error that is no jump; None: none is. From a jump on all calls are made.
        made: Calls that were made so far.
        errors: Prediction errors: for each call that was made, from the third on, how far the line through the two
            before was from what it gave: the norm of the difference of the noises over that of the noise, of the worst
            picture of the batch.
        jumped: The call at which the error jumped; None: none.
    """

    levels: Sequence[Level]
    parametrisation: Parametrisation
    schedule: ReuseSchedule
    most: float | None = None
    made: int = 0
    errors: list[float] = field(default_factory=list)
    jumped: int | None = None
    _asked: int = 0
    _known: list[tuple[float, list[Array]]] = field(default_factory=list)  # log-SNR and noises, newest first

    def __call__(self, model: Model, seen: Array, t: Any) -> Array | PredictionPair:  # noqa: ANN401 - the seam's
        """The answer of ``model`` for ``seen`` (the scaled sample), or what is extrapolated, float32."""
        level, order = self.levels[self._asked], self.schedule.orders[self._asked]
        self._asked += 1
        x = seen if level.scale == 1 else seen * np.float32(level.scale)
        if order is not None and self.jumped is None and self._known and math.isfinite(level.log_snr):
            return self._extrapolated(x, level, order)
        answer = model(seen, t)
        outputs = [answer.prediction, answer.unguided] if isinstance(answer, PredictionPair) else [answer]
        self._keep(level.log_snr, [self.parametrisation.epsilon(raw[:, : x.shape[1]], x, level) for raw in outputs])
        return answer

    @property
    def orders(self) -> tuple[int | None, ...]:
        """The schedule as it was run: from a jump on all calls are made."""
        jumped = len(self.levels) if self.jumped is None else self.jumped
        return (*self.schedule.orders[:jumped], *(None for _ in self.levels[jumped:]))

    def _keep(self, place: float, noises: list[Array]) -> None:
        self.made += 1
        if len(self._known) > 1 and math.isfinite(place):
            error = _distance(self._line(place, 1)[0], noises[0])
            self.errors.append(error)
            if self.most is not None and error > self.most and self.jumped is None:
                self.jumped = self._asked - 1
        # Of a solver that asks twice at one level the later answer counts.
        self._known = [(place, noises), *(one for one in self._known if one[0] != place)][: HIGHEST + 1]

    def _extrapolated(self, x: Array, level: Level, order: int) -> Array | PredictionPair:
        # The noise is linear in the output and the sample: these are its factors, and so those of its inverse.
        of_sample, of_output = (self.parametrisation.epsilon(*pair, level) for pair in _UNITS)
        noises = self._line(level.log_snr, order)
        raws = [((noise - of_sample * x) / of_output).astype(np.float32) for noise in noises]
        return raws[0] if len(raws) == 1 else PredictionPair(*raws)

    def _line(self, place: float, order: int) -> list[Array]:
        """The noises at a log-SNR, by the polynomial of an order through the last ones."""
        known = self._known[: order + 1]
        factors = polynomial_weights([one for one, _ in known], place)
        terms = [
            [np.float32(factor) * noise for noise in noises] for factor, (_, noises) in zip(factors, known, strict=True)
        ]
        return [np.sum(of_one, axis=0) for of_one in zip(*terms, strict=True)]


_UNITS: tuple[tuple[Any, Any], ...] = ((np.float32(0), np.float32(1)), (np.float32(1), np.float32(0)))


def _distance(extrapolated: Array, given: Array) -> float:
    """The norm of the difference over that of what was given, of the worst row."""
    axes = tuple(range(1, given.ndim))
    difference, whole = (
        np.sqrt(np.sum(np.square(array, dtype=np.float64), axis=axes)) for array in (extrapolated - given, given)
    )
    return float(np.max(difference / np.maximum(whole, np.finfo(np.float64).tiny)))
