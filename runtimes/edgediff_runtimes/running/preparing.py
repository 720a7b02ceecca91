"""The stages of a run made ready: each with its sampler, and with its prompts read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

from PIL import Image

from edgediff_runtimes.adapters import Adapted
from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Components
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.recipe import Stage
from edgediff_runtimes.results import Timings
from edgediff_runtimes.running.blending import noise_of
from edgediff_runtimes.running.embeds import Embeddings, TextSide, embeddings_of, embeds_of, without_texts
from edgediff_runtimes.running.guidance import PLAIN
from edgediff_runtimes.running.prompts import check_reusable, prompt_texts
from edgediff_runtimes.running.schedules import sampler_for
from edgediff_runtimes.running.stage import StageRun
from edgediff_runtimes.sampling import Sampler
from edgediff_runtimes.settings import Settings, checks
from edgediff_runtimes.settings.prompting import check_weighable, with_clip_skip
from edgediff_runtimes.settings.resolve import settings_of
from edgediff_runtimes.tensors import Array
from edgediff_runtimes.text import Encoder

_UNCHANGED = Adapted()


@final
@dataclass(frozen=True, slots=True)
class Preparation:
    """What all runs of a pipeline share.

    Attributes:
        manifest: The bundle's.
        components: Gives each part the graph it needs.
        tokenizers: By directory.
        split_guidance: See ``Guided.split``.
        adapted: What is done to weights and tokenizers.
    """

    manifest: Manifest
    components: Components
    tokenizers: Mapping[str, Encoder]
    split_guidance: bool
    adapted: Adapted = _UNCHANGED

    def prepared(self) -> partial[StageRun]:
        """A stage of a run without what makes it another than the run's other stages."""
        return partial(
            StageRun,
            components=self.components,
            tokenizers={**self.tokenizers, **self.adapted.tokenizers},
            split_guidance=self.split_guidance,
            cancel=CancelToken(),
            timings=Timings(),
            computed={},
            changes=self.adapted.changes,
        )

    def stages(
        self,
        prepared: partial[StageRun],
        run_of: Sequence[tuple[Stage, Sampler]],
        settings: Settings,
        pictures: Mapping[str, Image.Image],
        embeds: Mapping[str, Array],
    ) -> list[StageRun]:
        """The stages of a drawing, which share its source of noise.

        Args:
            prepared: What ``prepared`` gave for the run.
            run_of: Those of the recipe that are run.
            settings: Of the run.
            pictures: What the caller gave, by option.
            embeds: What the caller gave in place of prompts, by option.

        Raises:
            SettingError: A prompt, or how it is to be read, does not suit the bundle.
        """
        drawn = partial(prepared, pictures=pictures, rng=noise_of(settings))
        if embeds and len(run_of) > 1:
            expected = "nothing, because the run has several stages, each with text encoders of its own"
            raise SettingError("prompt_embeds", got="an array", expected=expected)
        stages: list[StageRun] = []
        total = sum(sampler.steps for _, sampler in run_of)
        for stage, sampler in run_of:
            own, before = settings_of(stage, settings), sum(run.sampler.steps for run in stages)
            if embeds:
                side = TextSide.of(stage)
                specs = {role: component.inputs for role, component in self.manifest.components.items()}
                values = embeds_of(embeds, side, stage, specs, negative=bool(own.negative_prompts))
                run = drawn(stage=without_texts(stage, side), settings=own, sampler=sampler, values=values)
            else:
                texts = prompt_texts(own, before=before, steps=sampler.steps, total=total)
                run = drawn(stage=self._reading(stage, own), settings=own, sampler=sampler, prompts=texts)
            stages.append(run)
        check_reusable([run.prompts for run in stages], settings)
        return stages

    def encode(self, settings: Settings, negative_prompt: str | Sequence[str] | None) -> Embeddings:
        """What the text encoders of the first stage make of prompts.

        Args:
            settings: With the prompts, and how they are to be read.
            negative_prompt: One for all or one per prompt; None: there are none.

        Raises:
            SettingError: They change from step to step, or the network is told more than embeddings.
            EngineError: A text encoder cannot be loaded or computed.
        """
        stage = self.manifest.recipe.first
        side = TextSide.of(stage)
        side.check("prompt")
        negatives: tuple[str, ...] = ()
        if negative_prompt is not None:
            negatives = checks.negatives(PLAIN, negative_prompt, settings.prompts, guided=True)
        own = replace(settings, negative_prompts=negatives)
        sampler = sampler_for(stage, own, self.manifest.scheduler)
        texts = prompt_texts(own, before=0, steps=sampler.steps, total=sampler.steps)
        if texts is not None and texts.changes:
            expected = "one that is the same at all steps, as embeddings are"
            raise SettingError("prompt", got=settings.prompts[0], expected=expected)
        read = self._reading(stage, own)
        texts_alone = replace(read, given=TextSide.of(read).parts)
        run = self.prepared()(
            stage=texts_alone, settings=own, sampler=sampler, pictures={}, rng=noise_of(own), prompts=texts
        )
        variants = None if texts is None else texts.variants[0]
        return embeddings_of(run.given(), side, count=len(own.prompts), variants=variants)

    def _reading(self, stage: Stage, settings: Settings) -> Stage:
        """The stage that reads prompts as the settings want it."""
        clips = {tokenizer.path for tokenizer in self.manifest.tokenizers if tokenizer.kind == "clip"}
        if settings.syntax is not None:
            check_weighable(stage, clips, settings.syntax)
        if settings.clip_skip is None:
            return stage
        outputs = {role: [spec.name for spec in one.outputs] for role, one in self.manifest.components.items()}
        return with_clip_skip(stage, settings.clip_skip, clips, outputs)
