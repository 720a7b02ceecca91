"""Tuning: the fewest network calls that hold a floor, searched on some pictures and measured on others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
        missed: What was measured of schedules that held the floors on the pictures of the search, and not on the
            others.
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

    def margin(self, proof: ProvedReuse) -> float:
        """How far what was measured is above both, in dB; below 0 it misses one by so much."""
        return min(proof.psnr_db.mean - self.mean, proof.psnr_db.worst_tenth - self.worst_tenth)


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

    The even schedule of the fewest calls that holds the floors, on the pictures of the search and on the others, is
    found by bisection. From there one call after another is left out, the one that is missed least; where the floors
    are then not held, calls are moved and orders changed as long as that brings the final samples nearer to the full
    run's. What holds the floors on the pictures of the search is measured on the others, the one of the fewest calls
    first.

    Args:
        runner: The bundle, and where it is computed.
        options: Steps, guidance, sampler, width, height.
        floors: To be held by what is measured.
        calibration: What the search draws.
        evaluation: What is measured: other texts, other seeds.
        trials: How many candidates the search may try.
        on_progress: Told ``(what, done, in all)``; an exception that it raises ends the search.

    Raises:
        SettingError: An option cannot be applied, nothing can be reused, or no schedule that was tried holds the
            floors.
        EdgediffError: A picture cannot be drawn.
    """
    with runner.pipeline() as pipeline:
        runs = Runs.of(pipeline, options, evaluation[0])
        if runs.calls <= FEWEST:
            expected = f"more steps, because {FEWEST} of their network calls are always made"
            raise SettingError("steps", got=runs.settings.steps, expected=expected)
        search = Search(runs, calibration, lambda tried: on_progress("schedules tried", tried, trials), left=trials)
        shown, hidden = (Pictures(runs, runner, subjects, on_progress) for subjects in (calibration, evaluation))
        tuner = _Tuner(floors, search, shown, hidden)
        proof = tuner.find()
    if proof is None:
        raise tuner.nothing()
    return Tuning(proof, search.tried, tuple(tuner.missed))


@final
@dataclass(slots=True)
class _Tuner:
    """One tuning.

    Attributes:
        floors: To be held.
        search: Over the schedules.
        shown: The pictures of the search.
        hidden: The others.
        short: What was measured of schedules that missed the floors on the pictures of the search.
        missed: What was measured of those that held them there, and missed them on the others.
    """

    floors: Floors
    search: Search
    shown: Pictures
    hidden: Pictures
    short: list[ProvedReuse] = field(default_factory=list)
    missed: list[ProvedReuse] = field(default_factory=list)

    def find(self) -> ProvedReuse | None:
        """What was measured of the schedule of the fewest calls that holds the floors; None: none does."""
        start, proof = self._bisected()
        found = (self._measured(candidate) for candidate in self._fewer(start))
        return next((one for one in found if one is not None), proof)

    def nothing(self) -> SettingError:
        """That none holds the floors, by the one that came nearest."""
        best, total = max(self.missed or self.short, key=self.floors.margin), self.search.runs.calls
        worst_alone = best.psnr_db.mean >= self.floors.mean
        setting, got = ("min_worst", self.floors.worst_tenth) if worst_alone else ("min_psnr", self.floors.mean)
        floors = f"{self.floors.mean:g} dB in the mean and {self.floors.worst_tenth:g} dB in the worst tenth"
        figures = f"{best.psnr_db.mean:.1f} and {best.psnr_db.worst_tenth:.1f} dB"
        hint = "lower guidance and more steps make predictions easier to reuse"
        return SettingError(
            setting,
            got=got,
            expected=f"less: of the schedules that were tried ({self.search.tried}) none holds {floors}; the nearest "
            f"had {figures} with {len(best.schedule.made)} of {total} calls",
            hint=hint if self.search.left else f"more `trials` may find one, and {hint}",
        )

    def _holds(self, candidate: GapSchedule) -> bool:
        """Whether the pictures of the search hold the floors, and the others are not known to miss them."""
        proof = self.shown.prove(candidate.schedule)
        if self.floors.margin(proof) >= 0:
            return all(candidate.schedule != one.schedule for one in self.missed)
        self.short.append(proof)
        return False

    def _measured(self, candidate: GapSchedule) -> ProvedReuse | None:
        """What the others give; None where they miss the floors."""
        proof = self.hidden.prove(candidate.schedule)
        if self.floors.margin(proof) >= 0:
            return proof
        self.missed.append(proof)
        return None

    def _bisected(self) -> tuple[GapSchedule, ProvedReuse | None]:
        """The even schedule of the fewest calls that holds the floors; where none does, that of all calls and None."""
        total = self.search.runs.calls
        start, proof = GapSchedule.even(total, total), None
        low, high = FEWEST, total - 1
        while low <= high and self.search.left > 0:
            middle = (low + high) // 2
            candidate = GapSchedule.even(middle, total)
            self.search.count()
            found = self._measured(candidate) if self._holds(candidate) else None
            if found is None:
                low = middle + 1
            else:
                start, proof, high = candidate, found, middle - 1
        return start, proof

    def _fewer(self, before: GapSchedule) -> list[GapSchedule]:
        """Schedules of fewer calls that hold the floors on the pictures of the search, the fewest first."""
        holding: list[GapSchedule] = []
        while self.search.left > 0 and len(before.made) > FEWEST:
            found = next((one for start in self._starts(before) if (one := self._improved(start))), None)
            if found is None:
                break
            holding.insert(0, found)
            before = found
        return holding

    def _starts(self, before: GapSchedule) -> Iterator[GapSchedule]:
        """Schedules of one call less, from which to search on."""
        yield self.search.fewer(before)
        if self.search.left > 0:
            self.search.count()
            yield GapSchedule.even(len(before.made) - 1, self.search.runs.calls)

    def _improved(self, start: GapSchedule) -> GapSchedule | None:
        """A schedule that may hold the floors: this one, or what a search from there finds; None: it finds none."""
        if self._holds(start):
            return start
        if self.floors.margin(self.shown.prove(start.schedule)) < -_HOPELESS_DB:
            return None
        found = self.search.best(start, -(-self.search.left // 3))
        return found if self._holds(found) else None


def with_proof(manifest: Manifest, proof: ProvedReuse) -> tuple[ProvedReuse, ...]:
    """A manifest's schedules with another, in the place of what was found before for the same settings."""

    def key(one: ProvedReuse) -> tuple[object, ...]:
        return one.sampler, one.steps, one.guidance, one.width, one.height

    return (*(one for one in manifest.reuse if key(one) != key(proof)), proof)
