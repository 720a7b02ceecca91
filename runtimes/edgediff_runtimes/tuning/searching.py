"""The search: which calls of a run to make, and by which order to extrapolate the others.

What is compared is the final sample, by its SNR to that of the run that makes all calls; pictures are decoded where a
floor in dB has to be held. A candidate is dropped as soon as it is clearly behind on the first subjects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from edgediff_runtimes.quality.measures import snr_db
from edgediff_runtimes.sampling.reuse import FEWEST, HIGHEST, ReuseSchedule
from edgediff_runtimes.tuning.runs import Runs, Subject

_FIRST, _BEHIND_DB = 3, 1.0  # subjects after which a candidate may be dropped, and how far behind it is then


def tenth_of(count: int) -> int:
    """A tenth of some pictures, rounded up."""
    return -(-count // 10)


def worst_tenth(values: Sequence[float]) -> float:
    """The mean of the smallest tenth of some figures."""
    return float(np.mean(sorted(values)[: tenth_of(len(values))]))


@final
@dataclass(frozen=True, slots=True)
class GapSchedule:
    """Calls that are made, and the order for each gap between two of them.

    Attributes:
        made: The calls, from 0; the first two and the last one among them.
        gaps: An order for what is extrapolated behind each of them but the last.
    """

    made: tuple[int, ...]
    gaps: tuple[int, ...]

    @classmethod
    def even(cls, made: int, total: int) -> GapSchedule:
        """The even schedule, with lines."""
        calls = ReuseSchedule.even(made, total).made
        return cls(calls, (1,) * (len(calls) - 1))

    @property
    def schedule(self) -> ReuseSchedule:
        """The same, call by call."""
        orders: list[int | None] = []
        for order, (start, end) in zip(self.gaps, zip(self.made, self.made[1:], strict=False), strict=True):
            orders += [None, *[order] * (end - start - 1)]
        return ReuseSchedule((*orders, None))

    def fewer(self) -> Iterator[GapSchedule]:
        """Those without one call; the gap that it leaves has the order of the first of the two."""
        for index in range(FEWEST - 1, len(self.made) - 1):
            made, gaps = (*self.made[:index], *self.made[index + 1 :]), (*self.gaps[:index], *self.gaps[index + 1 :])
            yield GapSchedule(made, gaps)

    def neighbours(self) -> Iterator[GapSchedule]:
        """Those with one call moved by one, then those with one gap of another order."""
        for index in range(FEWEST - 1, len(self.made) - 1):
            for place in (self.made[index] - 1, self.made[index] + 1):
                if self.made[index - 1] < place < self.made[index + 1]:
                    yield replace(self, made=(*self.made[:index], place, *self.made[index + 1 :]))
        for index, (start, end) in enumerate(zip(self.made, self.made[1:], strict=False)):
            for order in range(HIGHEST + 1):
                if end - start > 1 and order != self.gaps[index] and order <= index:
                    yield replace(self, gaps=(*self.gaps[:index], order, *self.gaps[index + 1 :]))


@final
@dataclass(slots=True)
class Search:
    """A search over the schedules of some runs.

    Attributes:
        runs: What is drawn, by any schedule.
        subjects: What is drawn.
        on_trial: Told before each candidate how many were tried before.
        left: How many may still be tried.
        tried: How many were tried so far.
    """

    runs: Runs
    subjects: Sequence[Subject]
    on_trial: Callable[[int], None]
    left: int
    tried: int = 0

    def count(self) -> None:
        """One more is tried."""
        self.on_trial(self.tried)
        self.tried += 1
        self.left -= 1

    def fewer(self, start: GapSchedule) -> GapSchedule:
        """The best that makes one call less than ``start``, which makes more than are always made."""
        best, scores = start, None
        for candidate in start.fewer():
            if self.left > 0:
                self.count()
                found = self._score(candidate, scores)
                if scores is None or (len(found) == len(scores) and _objective(found) > _objective(scores)):
                    best, scores = candidate, found
        return best

    def best(self, start: GapSchedule, most: int) -> GapSchedule:
        """The best of as many calls as ``start`` has: its neighbours, and those of the better one, and so on.

        Args:
            start: Where to begin.
            most: How many other candidates to try.
        """
        last = self.tried + min(most, self.left)
        best, scores = start, self._score(start, None)
        seen = {start}
        while True:
            for candidate in best.neighbours():
                if self.tried >= last:
                    return best
                if candidate in seen:
                    continue
                seen.add(candidate)
                self.count()
                found = self._score(candidate, scores)
                if len(found) == len(scores) and _objective(found) > _objective(scores):
                    best, scores = candidate, found
                    break
            else:
                return best

    def _score(self, candidate: GapSchedule, than: list[float] | None) -> list[float]:
        """The SNR of every subject, in dB; fewer where it is clearly behind others."""
        found: list[float] = []
        for subject in self.subjects:
            found.append(snr_db(self.runs.whole(subject).latents, self.runs.latents(subject, candidate.schedule)))
            behind = than is not None and np.mean(found) < np.mean(than[: len(found)]) - _BEHIND_DB
            if behind and len(found) >= _FIRST:
                break
        return found


def _objective(scores: Sequence[float]) -> float:
    """The mean, and as much the worst tenth, to which a schedule is held."""
    return (float(np.mean(scores)) + worst_tenth(scores)) / 2
