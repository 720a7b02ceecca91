"""Precision ``mixed``: which layers of an int8 network to leave in float for pictures that are near enough to fp32's.

1. All layers in int8. If that is near enough, nothing is searched.
2. How much each layer hurts. Errors of layers are small and know nothing of each other, so their energies add: a group
   of layers is measured by quantising it alone, all others in float, on the network's inputs along fp32's trajectories.
   No picture is drawn. Groups are halves of the graph first; the loudest is split again and again, so that the time
   goes where the error is made, and whatever time there is gives a ranking. Half of the time is for this.
3. How many to lift. Groups are ranked by the error they make per byte that lifting them costs. The errors that are left
   over foretell the pictures' PSNR, dB for dB, which is where the search begins. Pictures decide: each measured one
   corrects the slope of the forecast and narrows the question down by a share at least, until one group more or less is
   the difference, or the time is up.
4. The chosen point is the smallest that holds the target, or the best one if none does.

Mixed precision by a ranking of one-at-a-time sensitivities is that of Dong et al. 2019, "HAWQ: Hessian AWare
Quantization of Neural Networks with Mixed-Precision"; here the sensitivity is a measured error and not a curvature.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from edgediff_exporters.quantization.base import Layer
from edgediff_runtimes.bundle import Search, SearchPoint

_RANKING_SHARE = 0.5  # of the time that is left after all-int8
_QUIET = 0.01  # of all error: a group with less is not split
_LEAST_GAIN_DB = 0.1
_STEEPEST = 4.0  # dB of the pictures per dB of the network, or the other way round
_LEAST_NOISE = 1e-12  # 120 dB stands for equal


@final
@dataclass(frozen=True, slots=True)
class Trial:
    """A measured candidate.

    Attributes:
        point: For the manifest.
        missing_db: How much PSNR it lacks; 0 or less where it holds all that is asked for.
    """

    point: SearchPoint
    missing_db: float


class Bench(Protocol):
    """Where candidates are made and measured."""

    def noise(self, lifted: Sequence[str]) -> float:
        """Energy of the network's error over that of its output, on fp32's inputs; no picture is drawn."""

    def draw(self, lifted: Sequence[str]) -> Trial:
        """The candidate's pictures against fp32's."""


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """The time a search may take: no trial begins that would not end in it, going by what the last one took.

    Attributes:
        seconds: How long.
        clock: Monotonic seconds.
        began: When, by the clock.
    """

    seconds: float
    clock: Callable[[], float]
    began: float

    @classmethod
    def start(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Budget:
        """So much from now on."""
        return cls(seconds, clock, clock())

    def left(self) -> float:
        """Seconds until it is used up; negative afterwards."""
        return self.seconds - (self.clock() - self.began)


@final
@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring layers, and the energy of the error that they make when they alone are quantised."""

    layers: tuple[Layer, ...]
    noise: float


def find_mixture(layers: Sequence[Layer], bench: Bench, budget: Budget) -> Search:
    """Search for the smallest mixture that holds the target; see the module.

    With the same measurements in the same times it finds the same.

    Args:
        layers: Those that can be lifted, in the order of the graph.
        bench: Measures them.
        budget: The time; all-int8 is measured whatever it is.
    """
    began = budget.left()
    trials = [bench.draw(())]
    took = began - budget.left()
    if trials[0].missing_db > 0 and layers and budget.left() >= took:
        trials += _narrowed(trials[0].missing_db, took, rank(layers, bench, budget), bench, budget)
    chosen = min(range(len(trials)), key=lambda index: preference(trials[index]))
    return Search(tuple(trial.point for trial in trials), chosen)


def preference(trial: Trial) -> tuple[bool, float]:
    """The smaller the better: the smallest of those that hold the target, else the nearest to it."""
    return (True, trial.missing_db) if trial.missing_db > 0 else (False, trial.point.bytes)


@final
@dataclass(frozen=True, slots=True)
class Ranking:
    """What to lift first.

    Attributes:
        floor: Energy of the error that is left when all layers are in float: that of their stored weights.
        groups: All layers, worth most first.
    """

    floor: float
    groups: tuple[Group, ...]

    def lifted(self, count: int) -> tuple[str, ...]:
        """The layers of the first groups."""
        return tuple(layer.name for group in self.groups[:count] for layer in group.layers)

    def gain_db(self, count: int) -> float:
        """How much less error there is foretold to be with the first groups in float."""
        return 10 * math.log10(self._noise(0) / self._noise(count))

    def count_for(self, gain_db: float) -> int:
        """The fewest groups that are foretold to gain so much; all of them where even they are not."""
        counts = range(len(self.groups) + 1)
        return next((count for count in counts if self.gain_db(count) >= gain_db), len(self.groups))

    def _noise(self, count: int) -> float:
        return max(self.floor + sum(group.noise for group in self.groups[count:]), _LEAST_NOISE)


def rank(layers: Sequence[Layer], bench: Bench, budget: Budget) -> Ranking:
    """Rank layers by the error they make per byte; the finer, the more time there is. See the module."""
    until = budget.left() * (1 - _RANKING_SHARE)
    before = budget.left()
    floor = bench.noise([layer.name for layer in layers])
    took = before - budget.left()
    groups = [Group(tuple(layers), 1.0)]
    while (loudest := _loudest(groups)) is not None and budget.left() - 2 * took >= until:
        before = budget.left()
        groups.remove(loudest)
        middle = (len(loudest.layers) + 1) // 2
        for half in (loudest.layers[:middle], loudest.layers[middle:]):
            others = [layer.name for layer in layers if layer not in half]
            groups.append(Group(half, max(bench.noise(others) - floor, 0.0)))
        took = (before - budget.left()) / 2
    worth = sorted(groups, key=lambda group: -group.noise / sum(layer.elements for layer in group.layers))
    return Ranking(floor, tuple(worth))


def _loudest(groups: Sequence[Group]) -> Group | None:
    """The group to split next; None where none is worth it."""
    least = _QUIET * sum(group.noise for group in groups)
    worth = [group for group in groups if len(group.layers) > 1 and group.noise > least]
    return max(worth, key=lambda group: group.noise, default=None)


def _narrowed(missing_db: float, took: float, ranking: Ranking, bench: Bench, budget: Budget) -> Iterator[Trial]:
    """Trials with more and fewer groups lifted, until one group is the difference between enough and too little.

    Where the forecast errs always to one side, the least step keeps it from taking one group at a time.

    Args:
        missing_db: What all-int8 lacks.
        took: Seconds of a trial.
        ranking: What to lift first.
        bench: Measures.
        budget: The time.
    """
    fails, holds = 0, len(ranking.groups) + 1  # one more than there are: nothing is known to hold
    count = ranking.count_for(missing_db)
    while holds - fails > 1 and budget.left() >= took:
        before = budget.left()
        count = min(max(count, fails + 1), holds - 1)
        trial = bench.draw(ranking.lifted(count))
        yield trial
        took = before - budget.left()
        fails, holds = (count, holds) if trial.missing_db > 0 else (fails, count)
        slope = (missing_db - trial.missing_db) / max(ranking.gain_db(count), _LEAST_GAIN_DB)
        lacking = trial.missing_db / min(max(slope, 1 / _STEEPEST), _STEEPEST)
        step = max(1, (holds - fails) // (4 if holds <= len(ranking.groups) else 8))
        count = min(max(ranking.count_for(ranking.gain_db(count) + lacking), fails + step), holds - step)
