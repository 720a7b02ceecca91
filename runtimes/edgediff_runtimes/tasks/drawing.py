"""Drawing a picture with the Stable Diffusion family: text, start, steps, decode.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models"; phases and the order of random
draws are those of diffusers' StableDiffusionPipeline and StableDiffusionImg2ImgPipeline, so that one seed gives one
picture in both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import final

import numpy as np
from PIL import Image

from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Components, Computed
from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.guidance import GuidedNetwork
from edgediff_runtimes.images import image_to_array
from edgediff_runtimes.latents import decode, encode
from edgediff_runtimes.noise import NoiseSource, noise_source, per_image
from edgediff_runtimes.results import Step, Timings
from edgediff_runtimes.sampling import Sampler, build_sampler, sampler_config, sampler_fields, takes
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.tensors import Floats
from edgediff_runtimes.text import ClipTokenizer

# diffusers' pipelines pass eta = 0 to every scheduler that takes it; this one's own default is another.
_ETA_ZERO = ("TCDScheduler",)


def sampler_for(settings: Settings, manifest: Manifest) -> Sampler:
    """The sampler of a run; image-to-image runs the last part of its schedule, or one made for its strength.

    Args:
        settings: Sampler name and options, steps, strength.
        manifest: Has the bundle's own scheduler config, and says which of the two image-to-image does.

    Raises:
        SamplerError: The sampler, its options, its steps or the strength do not go together.
    """
    config, options = manifest.scheduler, dict(settings.sampler_options)
    if settings.sampler is not None:
        config = sampler_config(settings.sampler, config)
        options = sampler_fields(settings.sampler) | options
    if config["_class_name"] in _ETA_ZERO:
        options.setdefault("eta", 0.0)
    strength = settings.strength
    whole = manifest.strength == "whole" and options.get("timesteps") is None and takes(config, "strength")
    if strength is not None and whole:
        options, strength = {"strength": strength, **options}, None
    sampler = build_sampler(config, steps=settings.steps, **options)
    if sampler.needs_unguided and not settings.negative_prompts:
        raise SamplerError("sampler", got=settings.sampler, expected="one that needs no guidance, or guidance above 1")
    return sampler if strength is None else sampler.for_strength(strength)


@final
@dataclass(slots=True)
class Drawing:
    """The phases of one run.

    Attributes:
        manifest: Of the bundle.
        components: Gives each phase the graph it needs.
        tokenizer: For the prompts.
        settings: Resolved.
        sampler: See ``sampler_for``.
        image: Where image-to-image starts from, or None.
        split_guidance: See ``GuidedNetwork.split``.
        cancel: Ends the run, also inside a graph.
        timings: Filled phase by phase.
        computed: How each component was computed, by role; filled phase by phase.
    """

    manifest: Manifest
    components: Components
    tokenizer: ClipTokenizer
    settings: Settings
    sampler: Sampler
    image: Image.Image | None
    split_guidance: bool
    cancel: CancelToken = field(default_factory=CancelToken)
    timings: Timings = field(default_factory=Timings)
    computed: dict[str, Computed] = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        """Text and start, then one ``Step`` after another; the last one's latents are the result."""
        self.cancel.check()
        conditional, unconditional = self._embeddings()
        rng = per_image([noise_source(seed, self.settings.noise) for seed in self.settings.seeds])
        start = None if self.image is None else self._encoded(self.image, rng)
        noise = rng.standard_normal(self._latent_shape())
        with self.components.use("unet", computed=self.computed) as unet:
            network = GuidedNetwork(
                unet=unet,
                conditional=conditional,
                unconditional=unconditional,
                scale=self.settings.guidance,
                rescale=self.settings.guidance_rescale,
                split=self.split_guidance,
                with_unguided=self.sampler.needs_unguided,
                cancel=self.cancel,
            )
            began = time.perf_counter()
            for step in self.sampler.iterate(network, noise, rng=rng, start=start):
                self.timings.steps_s.append(time.perf_counter() - began)
                yield Step(
                    index=step.index,
                    total=self.sampler.steps,
                    timestep=float(step.timestep),
                    sigma=float(step.sigma),
                    latents=step.sample,
                    denoised=step.denoised,
                    space=self.manifest.latents,
                )
                self.cancel.check()
                network.step = step.index + 1
                began = time.perf_counter()

    def pictures(self, latents: Floats) -> list[Image.Image]:
        """Decode the final latents."""
        with self._timed("decode_s"), self.components.use("vae_decoder", computed=self.computed) as decoder:
            return decode(decoder, latents, self.manifest.latents, cancel=self.cancel)

    def _latent_shape(self) -> tuple[int, int, int, int]:
        space = self.manifest.latents
        return (
            self.settings.batch,
            space.channels,
            self.settings.height // space.factor,
            self.settings.width // space.factor,
        )

    def _embeddings(self) -> tuple[Floats, Floats | None]:
        """Embeddings of the prompts and, under guidance, of the negative ones: one row per picture."""
        texts = self.settings.prompts + self.settings.negative_prompts
        with self._timed("text_s"), self.components.use("text_encoder", computed=self.computed) as encoder:
            ids = self.tokenizer.encode(texts)
            hidden = encoder.run("last_hidden_state", {"input_ids": ids}, cancel=self.cancel)
        rows = np.repeat(hidden.astype(np.float32, copy=False), self.settings.images_per_prompt, axis=0)
        return rows[: self.settings.batch], rows[self.settings.batch :] if self.settings.negative_prompts else None

    def _encoded(self, image: Image.Image, rng: NoiseSource) -> Floats:
        pixels = image_to_array(image, width=self.settings.width, height=self.settings.height)
        with self._timed("encode_s"), self.components.use("vae_encoder", computed=self.computed) as encoder:
            return encode(
                encoder,
                pixels,
                self.manifest.latents,
                batch=self.settings.batch,
                mode=self.settings.encode or "sample",
                rng=rng,
                cancel=self.cancel,
            )

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        setattr(self.timings, phase, time.perf_counter() - began)
