"""A stage of a recipe: given, task, steps, result. Which graphs and values these are, the recipe alone knows.

The order of the random draws is the recipe's, which takes it from diffusers' pipelines, so that one seed gives one
picture in both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import final

import numpy as np
from PIL import Image

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Components, Computed, Loaded
from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.noise import NoiseSource
from edgediff_runtimes.parts import Context, Value, run_part
from edgediff_runtimes.parts.values import branches, is_nothing
from edgediff_runtimes.recipe.declarations import ControlScale, Graph
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Stage
from edgediff_runtimes.results import Step, Timings
from edgediff_runtimes.running.blending import blended, with_both
from edgediff_runtimes.running.guidance import PLAIN, Guided, guidance_calls
from edgediff_runtimes.running.prompts import PromptTexts
from edgediff_runtimes.running.windows import Windows
from edgediff_runtimes.sampling import Between, Known, Sampler
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Floats
from edgediff_runtimes.text import Encoder
from edgediff_runtimes.weights import WeightChange

# What a sampler begins with: noise, a clean sample, one that another stage left, one with noise in it; one to keep.
_BEGINNINGS = ("noise", "start", "sample", "noisy", "known")


@final
@dataclass(slots=True)
class StageRun:
    """One stage of one run.

    Attributes:
        stage: What is run.
        components: Gives each part the graph it needs.
        tokenizers: By directory.
        settings: Resolved.
        sampler: See ``sampler_for``.
        pictures: What the caller gave, by option.
        rng: Where random draws come from.
        split_guidance: See ``Guided.split``.
        prompts: What the prompts are at each step; None: texts themselves, the same at all.
        values: What there is before the first part.
        between: What the sampler asks in place of the network, which it is handed; None: nothing stands between.
        cancel: Ends the run, also inside a graph.
        timings: Filled phase by phase.
        computed: How each component was computed, by role; filled phase by phase.
        kept: Values of ``given`` with a row per picture, for the result.
        changes: What is done to the weights of components, by role.
    """

    stage: Stage
    components: Components
    tokenizers: Mapping[str, Encoder]
    settings: Settings
    sampler: Sampler
    pictures: Mapping[str, Image.Image]
    rng: NoiseSource
    split_guidance: bool
    prompts: PromptTexts | None = None
    values: Mapping[str, Value] = field(default_factory=dict)
    between: Between | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    timings: Timings = field(default_factory=Timings)
    computed: dict[str, Computed] = field(default_factory=dict)
    kept: dict[str, Value] = field(default_factory=dict)
    changes: Mapping[str, WeightChange] = field(default_factory=dict)

    def steps(self, before: Mapping[str, Value]) -> Iterator[Step]:
        """Conditions and start, then one ``Step`` after another; the last one's latents are the result.

        Args:
            before: The final samples of earlier stages, by ``stage:NAME``.
        """
        self.cancel.check()
        loaded: dict[str, Loaded] = {}
        context = self._context(loaded)
        context.values.update({**before, **self.values})
        with self._timed("text_s"):
            context.settings = with_both(self.settings)
            self._run(self.stage.given, context, loaded)
            context.settings = self.settings
            written = {name: value for name, value in context.values.items() if name not in before}
            context.values.update(blended(written, self.settings))
        given = {*context.values}
        with self._timed("encode_s"):
            self._run(self.stage.tasks[self.settings.task], context, loaded)
        begin = {name: self._beginning(name, context) for name in _BEGINNINGS if name in context.values}
        guidance = self.stage.guidance or PLAIN
        variants = ((),) if self.prompts is None else self.prompts.variants
        conditions = [branches(context.values, self.settings, guidance, rows) for rows in variants]
        self.kept = {name: value for name, value in conditions[0][0].items() if name in given}
        with ExitStack() as held:
            for role in self._at_every_call(conditions[0][0]):
                loaded[role] = held.enter_context(self._use(role))
            network = Guided(
                parts=self.stage.network,
                context=context,
                branches=conditions[0],
                guidance=guidance,
                scales=[float(self.settings.option(name)) for name in guidance.options] if self.settings.guided else [],
                rescale=self.settings.guidance_rescale,
                split=self.split_guidance,
                with_unguided=self.sampler.needs_unguided,
                calls=guidance_calls(self.settings, self.sampler),
                windows=self._windows(),
            )
            yield from self._sample(network, context, begin, conditions)

    def given(self) -> dict[str, Value]:
        """The values of the parts that are computed once, alone."""
        loaded: dict[str, Loaded] = {}
        context = self._context(loaded)
        self._run(self.stage.given, context, loaded)
        return context.values

    def _at_every_call(self, conditions: Mapping[str, Value]) -> Iterator[str]:
        """The components that the network's calls need; not those for pictures that the caller does not give."""
        scales = dict(enumerate(self.settings.choices.get("control_scale", ())))
        parts = self.stage.network
        weightless = {part.to for part in parts if isinstance(part, ControlScale) and not scales.get(part.index)}
        left_out = weightless | {name for name, value in conditions.items() if is_nothing(value)}
        for part in parts:
            if isinstance(part, Graph) and part.when not in left_out:
                yield part.role

    def result(self, latents: Floats) -> list[Image.Image]:
        """What the final sample becomes."""
        loaded: dict[str, Loaded] = {}
        context = self._context(loaded)
        context.values = {**self.kept, "x": Value(latents, "pictures")}
        with self._timed("decode_s"):
            self._run(self.stage.tiny if self.settings.decoder == "tiny" else self.stage.result, context, loaded)
        return context.images

    def _windows(self) -> Windows | None:
        """Where the network looks at an enlarged picture that is drawn in tiles; None: at all of it."""
        settings, space = self.settings, self.stage.space
        seen = settings.seen(space)
        if seen == (settings.width, settings.height):
            return None
        step = (space.multiple or space.factor) // space.factor
        _, rows, columns = space.shape(width=settings.width, height=settings.height)
        return Windows.over((rows, columns), (seen[1] // space.factor, seen[0] // space.factor), step=step)

    def _beginning(self, name: str, context: Context) -> Floats:
        """What the sampler begins with, in the shape that the stage says."""
        array: Floats = context.array(name)
        shape = self.stage.space.shape(width=self.settings.width, height=self.settings.height)
        if array.shape[1:] != shape:
            raise RecipeError(
                self.stage.name,
                self.settings.task,
                f"makes `{name}` shaped {list(array.shape[1:])}",
                f"{list(shape)}, as its space says",
            )
        return array

    def _sample(
        self,
        network: Guided,
        context: Context,
        begin: dict[str, Floats],
        conditions: Sequence[Sequence[Mapping[str, Value]]],
    ) -> Iterator[Step]:
        """The sampling steps, each with its own of the ``conditions``."""
        context.step = 0
        began = time.perf_counter()
        start, sample = begin.get("start"), begin.get("sample")
        if "noisy" in begin:  # clean sample and noise, of which the first level has a share
            sample = np.float32(self.sampler.intervals[0].start.alpha) * begin["noisy"]
        noise = begin["noise"] if sample is None else sample
        known = Known(begin["known"], context.array("unknown"), noise) if "known" in begin else None
        model = network if self.between is None else partial(self.between, network)
        for step in self.sampler.iterate(model, noise, rng=context.rng, start=start, sample=sample, known=known):
            self.timings.steps_s.append(time.perf_counter() - began)
            yield Step(
                index=step.index,
                total=self.sampler.steps,
                timestep=float(step.timestep),
                sigma=float(step.sigma),
                latents=step.sample,
                denoised=step.denoised,
                space=self.stage.space,
            )
            self.cancel.check()
            context.step = step.index + 1
            if self.prompts is not None and context.step < len(self.prompts.at):
                network.branches = conditions[self.prompts.at[context.step]]
            began = time.perf_counter()

    def _context(self, loaded: Mapping[str, Loaded]) -> Context:
        return Context(
            stage=self.stage.name,
            settings=self.settings,
            space=self.stage.space,
            pictures=self.pictures,
            tokenizers=self.tokenizers,
            compute=loaded.__getitem__,
            rng=self.rng,
            cancel=self.cancel,
            texts=None if self.prompts is None else self.prompts.texts,
        )

    def _run(self, parts: Sequence[Part], context: Context, loaded: dict[str, Loaded]) -> None:
        """Run parts once; a graph is loaded for its own part only."""
        for part in parts:
            if not isinstance(part, Graph) or (part.when is not None and is_nothing(context.values[part.when])):
                run_part(part, context)
                continue
            with self._use(part.role) as component:
                loaded[part.role] = component
                run_part(part, context)
            del loaded[part.role]

    def _use(self, role: str) -> AbstractContextManager[Loaded]:
        return self.components.use(role, computed=self.computed, change=self.changes.get(role))

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        setattr(self.timings, phase, getattr(self.timings, phase) + time.perf_counter() - began)
