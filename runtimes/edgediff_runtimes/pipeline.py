"""A bundle ready to draw."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, final

from edgediff_runtimes.adapters import AppliedEmbedding, AppliedLora, EmbeddingFiles, Loras, adapt
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.components import Components
from edgediff_runtimes.enlarger import Enlarger
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.memory import available_bytes, choose_residency, needed_by_role
from edgediff_runtimes.placement import Placement, Residency
from edgediff_runtimes.recipe import Recipe, Stage
from edgediff_runtimes.results import Result, Step
from edgediff_runtimes.running.awaiting import in_thread
from edgediff_runtimes.running.beside import over, pictures_beside, sized
from edgediff_runtimes.running.embeds import Embeddings, fingerprints, of_prompt, split_embeds
from edgediff_runtimes.running.given import GivenPictures
from edgediff_runtimes.running.preparing import Preparation
from edgediff_runtimes.running.reusing import reuse_of
from edgediff_runtimes.running.run import Drawing, Run
from edgediff_runtimes.running.schedules import sampler_for
from edgediff_runtimes.sampling import Between, Sampler
from edgediff_runtimes.settings import Options, Settings, checks, noise_levels
from edgediff_runtimes.settings.enlarging import drawings
from edgediff_runtimes.settings.fixed_sizes import check_sizes
from edgediff_runtimes.settings.resolve import resolve_settings
from edgediff_runtimes.settings.several import told_apart
from edgediff_runtimes.text import open_tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack  # typing's own came with Python 3.11

_PLACEMENT = Placement()
_LONGER = '; `syntax="a1111"` takes longer ones'


@final
class Pipeline:
    """Draws pictures with a bundle. A context manager; may be called from several threads at a time.

    Attributes:
        bundle: The opened bundle: ``bundle.path``, ``bundle.manifest``.
    """

    def __init__(
        self,
        bundle: Bundle,
        placement: Placement = _PLACEMENT,
        *,
        split_guidance: bool = False,
        replaced: Mapping[str, Components] | None = None,
        enlarger: Enlarger | None = None,
        loras: Loras | None = None,
        embeddings: EmbeddingFiles | None = None,
    ) -> None:
        """Make a pipeline; components are loaded when a run first needs them.

        Args:
            bundle: An opened bundle.
            placement: Where and how its components are computed.
            split_guidance: Make the two calls of guidance one after the other: less memory, nearly the same numbers.
            replaced: Components that others give, by role; they are closed with the pipeline.
            enlarger: What enlarges a picture before it is drawn anew, in place of Lanczos; closed with the pipeline.
            loras: See ``set_loras``.
            embeddings: See ``set_embeddings``.

        Raises:
            AdapterError: A LoRA cannot be read, or does not fit.
            SettingError: The placement names what there is not, or ``split_guidance`` is no bool.
            DeviceError: A device that it names is not there.
            BundleError: The recipe lacks a component or a tokenizer, or a tokenizer cannot be read.
        """
        if not isinstance(split_guidance, bool):
            raise SettingError("split_guidance", got=split_guidance, expected="True or False")
        bundle.check_wires()
        self.bundle = bundle
        self._enlarger = enlarger
        self._static = placement.static
        if self._static is not None:  # refused here, not by the first picture
            checks.static_size(bundle.manifest.recipe.first.space, bundle.manifest.defaults, self._static)
        self._strict = placement.strict
        if placement.residency is None:
            placement = replace(placement, residency=_residency(bundle, placement))
        self._components = Components(bundle, placement, replaced=replaced)
        fixed, kinds = bundle.manifest.sizes, {tokenizer.kind for tokenizer in bundle.manifest.tokenizers}
        hint = _LONGER if kinds == {"clip"} and not fixed else ""
        tokenizers = {
            tokenizer.path: open_tokenizer(
                bundle.locate(tokenizer.path), kind=tokenizer.kind, max_tokens=tokenizer.max_tokens, hint=hint
            )
            for tokenizer in bundle.manifest.tokenizers
        }
        self._preparation = Preparation(bundle.manifest, self._components, tokenizers, split_guidance)
        self._adapt(loras, embeddings)
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        # A set must not grow while it is gone through; re-entrant, because a signal handler may call ``cancel``.
        self._runs_lock = threading.RLock()

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
        **options: Unpack[Options],
    ) -> Result:
        """Draw and wait for the pictures.

        Args:
            prompt: What to draw; several prompts are drawn as one batch. None for a model that takes no text.
            on_step: Called after every step; an exception it raises ends the run.
            **options: See ``Options``.

        Returns:
            The pictures with their settings and timings.

        Raises:
            SettingError: An option is unknown or cannot be applied.
            ImageError: The image cannot be read.
            NonFiniteError: A component returned NaN or infinity.
            EngineError: A component cannot be loaded or computed, or the pipeline is closed.
            Cancelled: ``cancel`` was called from another thread.
        """
        with self.stream(prompt, **options) as run:
            for step in run:
                if on_step is not None:
                    on_step(step)
            return run.result

    async def draw(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        on_step: Callable[[Step], None] | None = None,
        **options: Unpack[Options],
    ) -> Result:
        """Draw on a worker thread and await the pictures: what calling the pipeline does, for an asyncio event loop.

        When the task is cancelled the run is ended inside its step, and the task is over once the thread has let go of
        it; the pipeline stays usable. For the steps, ``async with pipeline.stream(prompt) as run`` and
        ``async for step in run``.

        Args:
            prompt: What to draw; several prompts are drawn as one batch. None for a model that takes no text.
            on_step: Called after every step, on the loop's own thread; an exception it raises ends the run.
            **options: See ``Options``.

        Returns:
            The pictures with their settings and timings.

        Raises:
            asyncio.CancelledError: The task was cancelled.
            EdgediffError: As for a call of the pipeline.
        """
        # On the thread as well: reading a large photo takes a while. It cannot be ended, and is soon done.
        async with await in_thread(lambda: self.stream(prompt, **options), end=lambda: None) as run:
            async for step in run:
                if on_step is not None:
                    on_step(step)
            return run.result

    def stream(self, prompt: str | Sequence[str] | None = None, **options: Unpack[Options]) -> Run:
        """Start a run that is iterated step by step; nothing is computed before.

        Args:
            prompt: What to draw; several prompts are drawn as one batch. None for a model that takes no text.
            **options: See ``Options``.

        Raises:
            SettingError: An option is unknown or cannot be applied.
            ImageError: The image cannot be read.
            EngineError: The pipeline is closed.
        """
        return self._run(prompt, options, None)

    def stream_with(self, between: Between, prompt: str | Sequence[str] | None, **options: Unpack[Options]) -> Run:
        """As ``stream``, with something that stands between the sampler and the network: it listens, or answers itself.

        Args:
            between: What the sampler of the first stage asks, see ``sampling.Between``; of use for this run alone.
            prompt: As in ``stream``.
            **options: See ``Options``; ``reuse`` is not looked at.
        """
        return self._run(prompt, options, between)

    def encode(
        self,
        prompt: str | Sequence[str],
        negative_prompt: str | Sequence[str] | None = None,
        *,
        syntax: str | None = None,
        clip_skip: int | None = None,
    ) -> Embeddings:
        """What the text encoders make of prompts, for ``prompt_embeds=``: to be kept, mixed or changed.

        Args:
            prompt: One or several.
            negative_prompt: One for all or one per prompt; None: only the prompts are encoded.
            syntax: See ``Options``; prompts that change from step to step are refused.
            clip_skip: See ``Options``.

        Raises:
            SettingError: A prompt or an option cannot be applied, or the network is told more than embeddings.
            EngineError: A text encoder cannot be loaded or computed, or the pipeline is closed.
        """
        self._components.check_open()
        manifest, asked = self.bundle.manifest, Options(syntax=syntax, clip_skip=clip_skip, seed=0)
        first = replace(manifest.recipe.first, tasks={"encode": ()})  # a text is what it is, whatever it is drawn from
        settings = resolve_settings(Recipe((first,)), manifest.defaults, prompt, asked, image_size=None)
        return self._preparation.encode(settings, negative_prompt)

    def _run(self, prompt: str | Sequence[str] | None, options: Options, between: Between | None) -> Run:
        self._components.check_open()
        preparation = self._preparation  # of this run to its end, whatever is set meanwhile
        embeds, options = split_embeds(told_apart(self._at_size(options)))
        if embeds:
            if prompt is not None:
                raise SettingError("prompt", got=prompt, expected="nothing beside `prompt_embeds`")
            prompt = [""] * len(embeds["prompt_embeds"])
        manifest = self.bundle.manifest
        given = GivenPictures.read(manifest, options)
        beside = pictures_beside(manifest.recipe, options)
        options = sized(options, beside, manifest.recipe.first.space)
        options = noise_levels.estimated(manifest.recipe, given.task, options, given.pictures)
        settings = resolve_settings(
            manifest.recipe,
            manifest.defaults,
            prompt,
            options,
            image_size=given.size,
            family=manifest.family,
            spare=self._components.spare_bytes,
        )
        settings = replace(settings, embeds=fingerprints(embeds))
        canvas = given.canvas(settings)
        prepared = preparation.prepared()
        asked = drawings(settings, manifest.recipe)
        check_sizes(manifest, asked)
        samplers = [self._samplers(each) for each in asked]
        reuse = None
        if between is None:
            in_turn = [sampler for each in samplers for _, sampler in each]
            # What was measured of reuse was measured without LoRAs.
            known = replace(manifest, reuse=()) if preparation.adapted.changes else manifest
            reuse = reuse_of(known, settings, in_turn, strict=self._strict)
            between = None if reuse is None else reuse.between
        drawn = []
        for place, (each, run_of) in enumerate(zip(asked, samplers, strict=True)):
            pictures = {**(given.pictures if canvas is None else canvas.given), **over(beside, canvas)}
            own = of_prompt(embeds, (place - 1) // settings.images_per_prompt) if place else embeds
            stages = preparation.stages(prepared, run_of, each, pictures, own)
            stages[0].between = None if place else between
            enlarger = None if each.enlarge is None else self._enlarger
            drawn.append(Drawing(stages, pictures, place - 1 if place else None, enlarger))
        provenance = {"bundle": self.bundle.path.name, "fingerprint": self.fingerprint}
        if settings.enlarge is not None and self._enlarger is not None:
            provenance["enlarger"] = self._enlarger.name
        run = Run(
            drawn, settings=settings, provenance=provenance, reuse=reuse, canvas=canvas, adapted=preparation.adapted
        )
        with self._runs_lock:
            self._runs.add(run)
        return run

    def _samplers(self, settings: Settings) -> list[tuple[Stage, Sampler]]:
        """The stages that a drawing runs, each with its sampler."""
        manifest = self.bundle.manifest
        return [
            (stage, sampler_for(stage, settings, manifest.scheduler))
            for stage in manifest.recipe.stages
            if stage.schedule.since is None or settings.option(stage.schedule.since) < 1
        ]

    def _at_size(self, options: Options) -> Options:
        return options if self._static is None else checks.at_static_size(options, self._static)

    @property
    def fingerprint(self) -> str:
        """The bundle's, see ``Bundle.fingerprint``: sixteen hexadecimal digits."""
        return self.bundle.fingerprint

    @property
    def loras(self) -> tuple[AppliedLora, ...]:
        """The LoRAs that new runs draw with, and what was bound of each."""
        return self._preparation.adapted.loras

    def set_loras(self, loras: Loras | None) -> tuple[AppliedLora, ...]:
        """Draw with these LoRAs from now on, in place of those before; runs in progress go on with theirs.

        Components whose weights change are loaded again when a run first needs them; the others stay. Without any, the
        weights are again those of the bundle, bit for bit.

        Args:
            loras: ``.safetensors`` files and scales, such as ``{"style.safetensors": 0.8}``, or a list of files and of
                ``(file, scale)``, where a scale that is left out is 1; None or an empty list: no LoRA.

        Returns:
            What was bound of each.

        Raises:
            SettingError: They are no files and numbers.
            AdapterError: A file cannot be read, is no LoRA, or does not fit; those of before stay.
            EngineError: The pipeline is closed.
        """
        self._adapt(loras, self._adapted_by[1])
        return self.loras

    @property
    def embeddings(self) -> tuple[AppliedEmbedding, ...]:
        """The words that were added, and how many tokens each is."""
        return self._preparation.adapted.embeddings

    def set_embeddings(self, embeddings: EmbeddingFiles | None) -> tuple[AppliedEmbedding, ...]:
        """Know these words of textual inversion from now on, in place of those before; as ``set_loras`` otherwise.

        Args:
            embeddings: ``.safetensors`` files. A word is what its file calls it, or the file's name without its suffix;
                None or an empty list: no word.

        Returns:
            The words.

        Raises:
            SettingError: They are no files, or two have one word.
            AdapterError: A file cannot be read, is no embedding, or does not fit; the words of before stay.
            EngineError: The pipeline is closed.
        """
        self._adapt(self._adapted_by[0], embeddings)
        return self.embeddings

    def _adapt(self, loras: Loras | None, embeddings: EmbeddingFiles | None) -> None:
        self._components.check_open()
        adapted = adapt(self.bundle, loras, embeddings)
        self._components.keep_only(adapted.changes)
        self._adapted_by = loras, embeddings
        self._preparation = replace(self._preparation, adapted=adapted)

    def cancel(self) -> None:
        """End all runs in progress, also inside a step; they raise ``Cancelled``. Later runs are not touched."""
        with self._runs_lock:
            runs = list(self._runs)
        for run in runs:
            run.cancel()

    def close(self) -> None:
        """End all runs in progress and free all components. A second call does nothing."""
        self.cancel()
        self._components.close()
        if self._enlarger is not None:
            self._enlarger.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _residency(bundle: Bundle, placement: Placement) -> Residency:
    """The residency that memory allows; said where it is the slower one."""
    available = available_bytes()
    chosen = choose_residency(bundle, placement, available=available)
    if chosen == "sequential" and available is not None:
        needed = needed_by_role(bundle, placement)
        words = (
            f"memory is short: the components take about {_gigabytes(sum(needed.values()))} when they are "
            f"loaded, and {_gigabytes(available)} are available, so each is freed as soon as it is not needed "
            "(`sequential`); `resident` keeps them"
        )
        largest = max(needed, key=needed.__getitem__)
        if needed[largest] > available:
            less = "a bundle of a smaller precision" + ("" if placement.low_memory else ", or `low_memory=True`,")
            words += (
                f". That is not enough: `{largest}` alone takes about {_gigabytes(needed[largest])}; {less} needs less"
            )
        warnings.warn(words, stacklevel=3)
    return chosen


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
