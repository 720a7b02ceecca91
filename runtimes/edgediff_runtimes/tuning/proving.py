"""The proof: pictures with a schedule of reuse beside those of the runs that make all calls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from edgediff_runtimes.bundle import PictureQuality, ProvedReuse, TenthSpread
from edgediff_runtimes.errors import ManifestError
from edgediff_runtimes.quality.claims import PICTURE_DB, PICTURE_SSIM, Figure, held
from edgediff_runtimes.quality.making import OnProgress
from edgediff_runtimes.quality.measures import psnr_db, ssim
from edgediff_runtimes.quality.running import Runner
from edgediff_runtimes.running.reusing import options_measured
from edgediff_runtimes.sampling.reuse import ReuseSchedule
from edgediff_runtimes.tuning.runs import Runs, Subject
from edgediff_runtimes.tuning.searching import tenth_of, worst_tenth

_DB_DIGITS, _SSIM_DIGITS, _ERROR_DIGITS = 3, 5, 4
_ROUNDED = 10  # last digits: more than rounded figures add up to
_ERROR = 0.25  # share by which rounding in another order may move the largest prediction error


@final
@dataclass(slots=True)
class Pictures:
    """How near schedules come, with the pictures of some subjects, to making all calls.

    Attributes:
        runs: What is drawn.
        runner: Says which engine computes the runs.
        subjects: What is drawn.
        on_progress: Told ``(what, done, in all)`` before each picture.
    """

    runs: Runs
    runner: Runner
    subjects: Sequence[Subject]
    on_progress: OnProgress
    _proofs: dict[ReuseSchedule, ProvedReuse] = field(default_factory=dict)

    def prove(self, schedule: ReuseSchedule) -> ProvedReuse:
        """What is measured of a schedule, of as many calls as a run has; it is drawn once.

        Raises:
            EdgediffError: A picture cannot be drawn.
        """
        if schedule not in self._proofs:
            self._proofs[schedule] = self._measured(schedule)
        return self._proofs[schedule]

    def _measured(self, schedule: ReuseSchedule) -> ProvedReuse:
        pictures: list[PictureQuality] = []
        errors = [0.0]
        for index, subject in enumerate(self.subjects):
            self.on_progress(f"pictures by {len(schedule.made)} of {self.runs.calls} calls", index, len(self.subjects))
            whole = self.runs.whole(subject).picture
            drawn, reusing, computed = self.runs.picture(subject, schedule)
            errors += reusing.errors
            figures = round(psnr_db(whole, drawn), _DB_DIGITS), round(ssim(whole, drawn), _SSIM_DIGITS)
            pictures.append(PictureQuality(subject.text, subject.seed, *figures))
        settings, network = self.runs.settings, self.runs.pipeline.bundle.manifest.recipe.network.role
        engine = self.runner.engine_of(network)
        return ProvedReuse(
            orders=schedule.orders,
            steps=settings.steps or 0,
            guidance=settings.guidance,
            sampler=settings.sampler,
            width=settings.width,
            height=settings.height,
            psnr_db=_spread([one.psnr_db for one in pictures], _DB_DIGITS),
            ssim=_spread([one.ssim for one in pictures], _SSIM_DIGITS),
            error=round(max(errors), _ERROR_DIGITS),
            pictures=tuple(pictures),
            engine=engine.name,
            engine_version=engine.version,
            device=self.runner.device_of(network),
            execution=computed.execution,
            threads=computed.threads,
        )


def check_reuse(runner: Runner, claimed: ProvedReuse, *, on_progress: OnProgress) -> tuple[Figure, ...]:
    """Draw what a claim was measured on again, and hold its figures against what comes out.

    Raises:
        ManifestError: The claim is about no run of this bundle, or its summary is not that of its pictures.
        VerificationError: A figure is worse than its claim by more than the tolerance.
        EdgediffError: A picture cannot be drawn.
    """
    for name, digits, claim, of_pictures in (
        ("psnr_db", _DB_DIGITS, claimed.psnr_db, [one.psnr_db for one in claimed.pictures]),
        ("ssim", _SSIM_DIGITS, claimed.ssim, [one.ssim for one in claimed.pictures]),
    ):
        said, most = _spread(of_pictures, digits), _ROUNDED / 10**digits
        if max(abs(said.mean - claim.mean), abs(said.worst_tenth - claim.worst_tenth)) > most:
            expected = f"mean {said.mean} and worst tenth {said.worst_tenth}, which are those of its pictures"
            raise ManifestError(f"reuse.{name}", got=claim, expected=expected)
    subjects = [Subject(one.prompt, one.seed) for one in claimed.pictures]
    with runner.pipeline() as pipeline:
        runs = Runs.of(pipeline, options_measured(claimed), subjects[0])
        if runs.calls != len(claimed.orders):
            expected = f"{runs.calls} entries, the network calls of such a run"
            raise ManifestError("reuse.orders", got=list(claimed.orders), expected=expected)
        measured = Pictures(runs, runner, subjects, on_progress).prove(claimed.schedule)
    return held(_figures(claimed, measured))


def _figures(claimed: ProvedReuse, measured: ProvedReuse) -> Iterator[Figure]:
    name = f"with {len(claimed.schedule.made)} of {len(claimed.orders)} calls"
    if claimed.guidance is not None:
        name += f" at guidance {claimed.guidance:g}"
    count = len(claimed.pictures)
    for what, unit, most, said, got in (
        ("PSNR", "dB", PICTURE_DB, claimed.psnr_db, measured.psnr_db),
        ("SSIM", "", PICTURE_SSIM, claimed.ssim, measured.ssim),
    ):
        yield Figure(f"mean {what} {name}", said.mean, got.mean, most / math.sqrt(count), unit, summary=True)
        tenth = said.worst_tenth, got.worst_tenth, most / math.sqrt(tenth_of(count))
        yield Figure(f"worst tenth's {what} {name}", *tenth, unit, summary=True)
    less, more = sorted((claimed.error, measured.error))
    ratio = less / more if more > 0 else 1.0  # neither more nor less than was claimed: it says what a jump is
    yield Figure(f"claimed over measured prediction error {name}, or its inverse", 1.0, ratio, _ERROR, summary=True)
    for one, again in zip(claimed.pictures, measured.pictures, strict=True):
        of_one = f'{name} of the picture "{one.prompt}"'
        yield Figure(f"PSNR {of_one}", one.psnr_db, again.psnr_db, PICTURE_DB, "dB")
        yield Figure(f"SSIM {of_one}", one.ssim, again.ssim, PICTURE_SSIM)


def _spread(values: Sequence[float], digits: int) -> TenthSpread:
    return TenthSpread(round(float(np.mean(values)), digits), round(worst_tenth(values), digits))
