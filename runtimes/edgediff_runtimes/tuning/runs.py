"""The runs of a bundle with given settings, by any schedule of reuse."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from itertools import islice
from typing import final

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.components import Computed
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.quality.making import pixels_of
from edgediff_runtimes.quality.prompts import call_of
from edgediff_runtimes.running.reusing import why_not
from edgediff_runtimes.running.run import Run
from edgediff_runtimes.running.schedules import sampler_for
from edgediff_runtimes.sampling import Sampler
from edgediff_runtimes.sampling.reuse import ReuseSchedule, Reusing, why_not_reusable
from edgediff_runtimes.settings import Options, Settings
from edgediff_runtimes.tensors import Floats
from edgediff_runtimes.text import PromptTruncationWarning


@final
@dataclass(frozen=True, slots=True)
class Subject:
    """What a picture is drawn from: a prompt or a label, or an empty text where the model takes neither, and a seed."""

    text: str
    seed: int


@final
@dataclass(frozen=True, slots=True)
class Whole:
    """What a run gives that makes all calls.

    Attributes:
        latents: Its final sample.
        picture: Its picture.
    """

    latents: Floats
    picture: NDArray[np.uint8]


@final
@dataclass(frozen=True, slots=True)
class Runs:
    """Runs that differ by their subject and their schedule alone.

    Attributes:
        pipeline: Of the bundle.
        options: Of every run: steps, guidance, sampler, width and height; None takes the bundle's.
        settings: What became of them.
        sampler: Of every run.
    """

    pipeline: Pipeline
    options: Options
    settings: Settings
    sampler: Sampler
    _whole: dict[Subject, Whole] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, pipeline: Pipeline, options: Options, subject: Subject) -> Runs:
        """Find out what the runs are, and that predictions can be reused in them.

        Raises:
            SettingError: An option cannot be applied, or nothing can be reused.
        """
        manifest = pipeline.bundle.manifest
        prompt, others = call_of(manifest.recipe, subject.text)
        call: Options = {**options, **others}
        with pipeline.stream(prompt, **call) as run:
            settings = run.settings
        sampler = sampler_for(manifest.recipe.first, settings, manifest.scheduler)
        reason = why_not(manifest, settings, sampler, stages=len(manifest.recipe.stages))
        if reason is not None:
            blamed: tuple[str, object] = "bundle", pipeline.bundle.path.name
            if reason == why_not_reusable(sampler):
                blamed = "sampler", settings.sampler or manifest.scheduler["_class_name"]
            expected = f"runs whose predictions can be reused, but {reason}"
            raise SettingError(blamed[0], got=blamed[1], expected=expected)
        return cls(pipeline, options, settings, sampler)

    @property
    def calls(self) -> int:
        """Network calls of a whole run."""
        return len(self.sampler.calls)

    def whole(self, subject: Subject) -> Whole:
        """What comes out when all calls are made; it is drawn once."""
        if subject not in self._whole:
            run, _ = self._run(subject, ReuseSchedule.even(self.calls, self.calls))
            with run:
                *_, last = run
                self._whole[subject] = Whole(last.latents, pixels_of(run.result))
        return self._whole[subject]

    def latents(self, subject: Subject, schedule: ReuseSchedule) -> Floats:
        """The final sample of a run; it is not decoded."""
        run, _ = self._run(subject, schedule)
        with run:
            *_, last = islice(run, run.total_steps)
        return last.latents

    def picture(self, subject: Subject, schedule: ReuseSchedule) -> tuple[NDArray[np.uint8], Reusing, Computed]:
        """The picture of a run, what reuse noted, and how the network was computed."""
        run, reusing = self._run(subject, schedule)
        with run:
            result = run.result
        network = self.pipeline.bundle.manifest.recipe.network.role
        return pixels_of(result), reusing, result.computed[network]

    def _run(self, subject: Subject, schedule: ReuseSchedule) -> tuple[Run, Reusing]:
        reusing = Reusing(self.sampler.calls, self.sampler.parametrisation, schedule)
        prompt, others = call_of(self.pipeline.bundle.manifest.recipe, subject.text)
        call: Options = {**self.options, **others, "seed": subject.seed}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PromptTruncationWarning)  # said of the user's own prompts elsewhere
            return self.pipeline.stream_with(reusing, prompt, **call), reusing
