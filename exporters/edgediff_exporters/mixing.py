"""Precision ``mixed`` of a candidate: its search, on pictures that neither calibration nor the gate has drawn.

Prompts are those of calibration, the ones first that calibration did not come to, with seeds of their own; the prompts
of the gate stay unseen. A mean over a few pictures is uncertain, and the mixture that just holds the target on them
would miss it on others as often as not: held is what the mean less its standard error holds.
"""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

import numpy as np

from edgediff_exporters.measuring import latency_ratio
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.quantization import Layer
from edgediff_exporters.quantization.search import Budget, Trial, find_mixture, preference
from edgediff_exporters.trials import Trials
from edgediff_runtimes.bundle import Bundle, Component, Search, SearchPoint
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import Reference, Runner, fidelity, make_reference, measure_components, measure_pictures
from edgediff_runtimes.text import PromptTruncationWarning

# Where nothing is asked for. No difference was found by eye at 37 dB, and stains at 29: see `docs/quality.md`.
TARGET_PSNR_DB = 35.0

_FIRST_SEED = 1 << 21  # calibration has 1 << 20 and on, the gate 0 and on
_FEWEST_PICTURES, _MOST_PICTURES = 2, 8
_DRAWN_TIMES = 8  # every picture: once by fp32, and by about so many candidates


@final
@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a network's mixture is made.

    Attributes:
        role: The network.
        layers: Its layers.
        write: Writes the network with some layers in float into ``folder``, in place of the one that is there.
        fp32: The bundle of the model in fp32.
        others: All other components of the candidate.
        folder: The candidate's.
        work: A place for what is removed afterwards.
    """

    role: str
    layers: Sequence[Layer]
    write: Callable[[Sequence[str]], Component]
    fp32: Bundle
    others: Mapping[str, Component]
    folder: Path
    work: Path


def mix(
    workshop: Workshop, trials: Trials, on_progress: OnProgress, *, budget: Budget | None = None
) -> tuple[Component, Search]:
    """Search for a mixture and leave it in the candidate's folder.

    Args:
        workshop: What it is made of.
        trials: Prompts, steps and size of the pictures, the floors and the time.
        on_progress: Told the seconds spent, before and within every trial.
        budget: The time; default: that of ``trials``, from now on.
    """
    budget = budget or Budget.start(trials.search_seconds)
    total = math.ceil(budget.seconds)

    def tell(_what: str, _done: int, _total: int) -> None:
        spent = max(0, min(int(budget.seconds - budget.left()), total - 1))
        on_progress(ExportProgress(workshop.role, "search", spent, total))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptTruncationWarning)  # both draw the same part of the prompt
        reference = _reference(Runner(workshop.fp32), trials, budget, tell)
    bench = _Bench(workshop, reference, trials, tell)
    search = find_mixture(workshop.layers, bench, budget)
    on_progress(ExportProgress(workshop.role, "search", total, total))
    return bench.take_best(), search


def _reference(fp32: Runner, trials: Trials, budget: Budget, tell: Callable[[str, int, int], None]) -> Reference:
    """What fp32 draws: two pictures, and more where there is time to draw them again and again."""
    prompts = search_prompts(trials)

    def drawn(start: int, stop: int) -> Reference:
        return make_reference(
            fp32,
            prompts=prompts[start:stop],
            seed=_FIRST_SEED + start,
            steps=trials.steps,
            width=trials.width,
            height=trials.height,
            on_progress=tell,
        )

    before = budget.left()
    first = drawn(0, _FEWEST_PICTURES)
    each = (before - budget.left()) / _FEWEST_PICTURES
    possible = int(budget.left() / 2 / (each * _DRAWN_TIMES)) if each > 0 else _MOST_PICTURES
    count = min(possible, _MOST_PICTURES)
    if count <= _FEWEST_PICTURES:
        return first
    more = drawn(_FEWEST_PICTURES, count)
    return replace(
        first,
        prompts=first.prompts + more.prompts,
        seeds=first.seeds + more.seeds,
        pictures=np.concatenate([first.pictures, more.pictures]),
    )


def search_prompts(trials: Trials) -> list[str]:
    """What a search draws: prompts of calibration, beginning behind those that calibration has drawn."""
    drawn, prompts = trials.calibration_pictures, trials.calibration
    return [prompts[(drawn + index) % len(prompts)] for index in range(_MOST_PICTURES)]


@final
@dataclass(slots=True)
class _Bench:
    """See ``Bench``. The best candidate so far is kept in the work folder."""

    workshop: Workshop
    reference: Reference
    trials: Trials
    tell: Callable[[str, int, int], None]
    _best: tuple[Trial, Component] | None = field(default=None, init=False)

    def noise(self, lifted: Sequence[str]) -> float:
        candidate, _ = self._made(lifted)
        measured = measure_components(candidate, self.reference, roles=[self.workshop.role], on_progress=self.tell)
        return float(10 ** (-measured[self.workshop.role].snr_db / 10))

    def draw(self, lifted: Sequence[str]) -> Trial:
        candidate, component = self._made(lifted)
        pictures = measure_pictures(candidate, self.reference, on_progress=self.tell)
        means = fidelity(pictures)
        missing = target_missing_db(
            [picture.psnr_db for picture in pictures],
            [picture.ssim for picture in pictures],
            min_psnr=TARGET_PSNR_DB if self.trials.min_psnr is None else self.trials.min_psnr,
            min_ssim=self.trials.min_ssim,
        )
        point = SearchPoint(
            lifted=tuple(lifted),
            bytes=sum(file.bytes for part in candidate.bundle.manifest.components.values() for file in part.files),
            psnr_db=means.psnr_db,
            ssim=means.ssim,
            latency_ratio=latency_ratio(Runner(self.workshop.fp32), candidate, self.reference),
        )
        trial = Trial(point, missing)
        if self._best is None or preference(trial) < preference(self._best[0]):
            self._best = trial, component
            shutil.rmtree(self._kept, ignore_errors=True)
            self._written.rename(self._kept)
        return trial

    def take_best(self) -> Component:
        """The component of the best candidate, back in its place."""
        if self._best is None:
            raise ValueError("nothing was drawn")
        shutil.rmtree(self._written, ignore_errors=True)
        self._kept.rename(self._written)
        return self._best[1]

    def _made(self, lifted: Sequence[str]) -> tuple[Runner, Component]:
        self.tell("candidate", 0, 1)
        shutil.rmtree(self._written, ignore_errors=True)
        workshop = self.workshop
        component = workshop.write(lifted)
        manifest = workshop.fp32.manifest
        bundle = Bundle(workshop.folder, replace(manifest, components={**workshop.others, workshop.role: component}))
        return Runner(bundle, Placement(keep_compiled=False)), component

    @property
    def _written(self) -> Path:
        return self.workshop.folder / self.workshop.role

    @property
    def _kept(self) -> Path:
        return self.workshop.work / "best"


def target_missing_db(
    psnr_db: Sequence[float], ssim: Sequence[float], *, min_psnr: float, min_ssim: float | None
) -> float:
    """How much pictures are short of the floors, less the means' standard errors; 0 or less where they hold them.

    1 - SSIM falls with the energy of the error as PSNR rises, so both are told in dB, and the larger counts.
    """
    missing = min_psnr - _surely(psnr_db)
    if min_ssim is None:
        return missing
    strayed, allowed = (max(1 - value, 1e-6) for value in (_surely(ssim), min_ssim))
    return max(missing, 10 * math.log10(strayed / allowed))


def _surely(values: Sequence[float]) -> float:
    """The mean less its standard error."""
    error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(np.mean(values) - error)
