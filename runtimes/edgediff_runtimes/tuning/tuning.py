"""Tuning: the fewest network calls that hold a floor, searched on some pictures and measured on others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import final

from edgediff_runtimes.bundle import Manifest, ProvedReuse
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.quality.gate import check_floors
from edgediff_runtimes.quality.making import OnProgress
from edgediff_runtimes.quality.running import Runner
from edgediff_runtimes.sampling.reuse import FEWEST
from edgediff_runtimes.settings import Options
from edgediff_runtimes.tuning.proving import Pictures
from edgediff_runtimes.tuning.runs import Runs, Subject
from edgediff_runtimes.tuning.searching import GapSchedule, Search

_HOPELESS_DB = 10.0  # a search was seen to gain 6 dB
_CALIBRATION_SEED = 1_000_000  # far from the seeds that are measured, which count from 0


@final
@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning found.

    Attributes:
        proof: The schedule, with what was measured.
        tried: Candidates that the search tried.
        missed: What was measured of schedules of fewer calls that held the floors on the pictures of the search, and
            not on the others.
    """

    proof: ProvedReuse
    tried: int
    missed: tuple[ProvedReuse, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Floors:
    """The least PSNR against the run that makes all calls, in dB: of the mean, and of the worst tenth."""

    mean: float
    worst_tenth: float

    @classmethod
    def of(cls, min_psnr: float, min_worst: float | None) -> Floors:
        """The floors; the mean's holds for the worst tenth where nothing else is asked of that.

        Raises:
            SettingError: One is not between 0 and 120 dB.
        """
        check_floors(min_psnr=min_psnr, min_ssim=None)
        try:
            check_floors(min_psnr=min_worst, min_ssim=None)
        except SettingError as error:
            raise SettingError("min_worst", got=min_worst, expected="a number from 0 to 120") from error
        return cls(min_psnr, min_psnr if min_worst is None else min_worst)

    def hold(self, proof: ProvedReuse, *, less: float = 0.0) -> bool:
        """Whether what was measured reaches both, or both less so many dB."""
        return proof.psnr_db.mean >= self.mean - less and proof.psnr_db.worst_tenth >= self.worst_tenth - less


def subjects_of(texts: Sequence[str], pictures: int, *, calibration: bool) -> tuple[Subject, ...]:
    """So many pictures of some texts, in turn, each with a seed of its own."""
    first = _CALIBRATION_SEED if calibration else 0
    return tuple(Subject(text, first + index) for index, text in enumerate(islice(cycle(texts), pictures)))


def tune(
    runner: Runner,
    options: Options,
    floors: Floors,
    *,
    calibration: Sequence[Subject],
    evaluation: Sequence[Subject],
    trials: int,
    on_progress: OnProgress,
) -> Tuning:
    """Find the schedule of the fewest calls that holds the floors.

    The even schedule of the fewest calls that holds the floors is found by bisection. From there one call after another
    is left out, the one that is missed least; where the floors are then not held, calls are moved and orders changed as
    long as that brings the final samples nearer to the full run's. What holds the floors on the pictures of the search
    is measured on the others, the one of the fewest calls first.

    Args:
        runner: The bundle, and where it is computed.
        options: Steps, guidance, sampler, width, height.
        floors: To be held by what is measured.
        calibration: What the search draws.
        evaluation: What is measured: other texts, other seeds.
        trials: How many candidates the search may try.
        on_progress: Told ``(what, done, in all)``; an exception that it raises ends the search.

    Raises:
        SettingError: An option cannot be applied, nothing can be reused, or no schedule holds the floors.
        EdgediffError: A picture cannot be drawn.
    """
    with runner.pipeline() as pipeline:
        runs = Runs.of(pipeline, options, evaluation[0])
        total = runs.calls
        if total <= FEWEST:
            expected = f"more steps, because {FEWEST} of their network calls are always made"
            raise SettingError("steps", got=runs.settings.steps, expected=expected)
        drawn = Pictures(runs, calibration, on_progress)
        search = Search(runs, calibration, lambda tried: on_progress("schedules tried", tried, trials), left=trials)
        holding = _holding(drawn, search, runner, floors)
        missed: list[ProvedReuse] = []
        measured = Pictures(runs, evaluation, on_progress)
        for candidate in holding:
            proof = measured.prove(candidate.schedule, runner)
            if floors.hold(proof):
                return Tuning(proof, search.tried, tuple(missed))
            missed.append(proof)
    raise _nothing(floors, missed, total)


def _holding(drawn: Pictures, search: Search, runner: Runner, floors: Floors) -> list[GapSchedule]:
    """The schedules that were seen to hold the floors, the one of the fewest calls first."""
    holding: list[GapSchedule] = []
    total = search.runs.calls
    low, high = FEWEST, total - 1
    while low <= high and search.left > 0:
        middle = (low + high) // 2
        candidate = GapSchedule.even(middle, total)
        search.count()
        if floors.hold(drawn.prove(candidate.schedule, runner)):
            holding.insert(0, candidate)
            high = middle - 1
        else:
            low = middle + 1
    before = holding[0] if holding else GapSchedule.even(total, total)
    while search.left > 0 and len(before.made) > FEWEST:
        starts = _starts(before, search)
        found = next((one for start in starts if (one := _improved(start, drawn, search, runner, floors))), None)
        if found is None:
            break
        holding.insert(0, found)
        before = found
    return holding


def _starts(before: GapSchedule, search: Search) -> Iterator[GapSchedule]:
    """Schedules of one call less, from which to search on."""
    yield search.fewer(before)
    if search.left > 0:
        search.count()
        yield GapSchedule.even(len(before.made) - 1, search.runs.calls)


def _improved(
    start: GapSchedule, drawn: Pictures, search: Search, runner: Runner, floors: Floors
) -> GapSchedule | None:
    """A schedule that holds the floors: this one, or what a search from there finds; None: it finds none."""
    proof = drawn.prove(start.schedule, runner)
    if floors.hold(proof):
        return start
    if not floors.hold(proof, less=_HOPELESS_DB):
        return None
    found = search.best(start, -(-search.left // 3))
    return found if floors.hold(drawn.prove(found.schedule, runner)) else None


def _nothing(floors: Floors, missed: Sequence[ProvedReuse], total: int) -> SettingError:
    best = f"; the best had {missed[-1].psnr_db.mean:.1f} and {missed[-1].psnr_db.worst_tenth:.1f}" if missed else ""
    return SettingError(
        "min_psnr",
        got=floors.mean,
        expected=f"less: no schedule of fewer than {total} calls holds {floors.mean:g} dB in the mean and "
        f"{floors.worst_tenth:g} dB in the worst tenth{best}",
        hint="lower guidance and more steps make predictions easier to reuse",
    )


def with_proof(manifest: Manifest, proof: ProvedReuse) -> tuple[ProvedReuse, ...]:
    """A manifest's schedules with another, in the place of one of as many calls with the same settings."""

    def key(one: ProvedReuse) -> tuple[object, ...]:
        return one.sampler, one.steps, one.guidance, one.width, one.height, len(one.schedule.made)

    return (*(one for one in manifest.reuse if key(one) != key(proof)), proof)
