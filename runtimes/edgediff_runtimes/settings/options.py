"""What a caller may ask of a run, and what a run is fixed by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypedDict, final

from edgediff_runtimes.images import ImageSource
from edgediff_runtimes.masks import MaskSource
from edgediff_runtimes.noise import image_seeds
from edgediff_runtimes.recipe import Space
from edgediff_runtimes.tensors import Array

DecoderName: TypeAlias = Literal["full", "tiny"]
EncodeMode: TypeAlias = Literal["sample", "mode"]
Reuse: TypeAlias = int | Literal["auto", "off"] | Sequence[int | None]
GuidanceInterval: TypeAlias = tuple[float, float | None]
Keep: TypeAlias = Literal["exact", "model"]
RANDOM_SEED = -1  # as the web UIs write it; also the default


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """All that fixes a run, given the bundle. Built by ``resolve_settings``.

    Attributes:
        prompts: The prompts; none where the model takes no text.
        negative_prompts: One per prompt, or empty where guidance makes no second call or takes zeros for it.
        images_per_prompt: Pictures of each prompt; picture i of the run has the seed ``seed + i``.
        seed: Seed of the first picture.
        noise: Kind of the noise source (``torch-cpu`` draws what diffusers draws on the CPU).
        steps: Sampling steps of the whole schedule; image-to-image runs the last ``strength`` of them. None where
            custom ``timesteps`` or ``sigmas`` among ``sampler_options`` say it.
        guidance: The scale that the model is known by: of classifier-free guidance, or one that the network is told;
            None where it has neither.
        guidance_rescale: Mix of the rescaled result, 0 to 1.
        sampler: A sampler's name, or None for the bundle's own schedule.
        sampler_options: Fields of the sampler's config that replace the bundle's.
        width: Pixels.
        height: Pixels.
        strength: How much of the schedule image-to-image runs, above 0 to 1; None without an image.
        encode: How image-to-image takes latents from the encoder's Gaussian; None without an image.
        tile: Pixels along one side of the tiles that an autoencoder computes larger pictures in, and a network an
            enlarged one; None: they compute it whole.
        decoder: What makes pictures of the final sample, where the bundle has two for it; None: it has one.
        task: The recipe's task.
        pictures: The options that hold the caller's pictures.
        guided: Whether the network is asked a second time, for the unguided prediction, or more often.
        reuse: See ``Options``.
        guidance_interval: Between which noise levels there is guidance, see ``Options``; None: at all.
        reuse_guidance: See ``Options``.
        variation_seed: Of the first picture, that of picture i is i larger; None where none was asked for.
        variation_strength: Likewise, see ``Options``.
        to_prompts: What each prompt is blended with; none where none is.
        blend: How far, from 0 to 1; None where none is.
        enlarge: The picture, of ``width`` and ``height``, is drawn anew at so many times its size; None: it is not.
        mask: ``alpha`` where the image's own transparency says what is drawn anew; None: a picture does, or nothing.
        mask_blur: See ``Options``.
        keep: See ``Options``; None where nothing of a picture is kept.
        crop_mask: See ``Options``.
        extend: See ``Options``.
        syntax: How prompts are read, see ``Options``; None: they are texts.
        clip_skip: See ``Options``; None: the model's own layer.
        embeds: SHA-256 of the arrays that stand for prompts, by option.
        choices: What the recipe's parts read beside these, by option; a tuple has one entry per prompt.
    """

    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    images_per_prompt: int
    seed: int
    noise: str
    steps: int | None
    guidance: float | None
    guidance_rescale: float
    sampler: str | None
    sampler_options: dict[str, Any] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    strength: float | None = None
    encode: EncodeMode | None = None
    tile: int | None = None
    decoder: DecoderName | None = None
    task: str = "text-to-image"
    pictures: tuple[str, ...] = ()
    guided: bool = False
    reuse: Reuse = "off"
    guidance_interval: GuidanceInterval | None = None
    reuse_guidance: int = 1
    variation_seed: int | None = None
    variation_strength: float | None = None
    to_prompts: tuple[str, ...] = ()
    blend: float | None = None
    enlarge: float | None = None
    mask: Literal["alpha"] | None = None
    mask_blur: float | None = None
    keep: Keep | None = None
    crop_mask: int | None = None
    extend: dict[str, int] | None = None
    syntax: str | None = None
    clip_skip: int | None = None
    embeds: dict[str, str] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)

    def seen(self, space: Space) -> tuple[int, int]:
        """Width and height of what a network sees at once: the picture, or a tile of one that is enlarged.

        Args:
            space: Of its stage.
        """
        if self.tile is None or (self.enlarge is None and space.upscale == 1):
            return self.width, self.height
        return min(self.width, self.tile), min(self.height, self.tile)

    @property
    def masked(self) -> bool:
        """Whether part of a picture is kept."""
        return self.keep is not None

    @property
    def subjects(self) -> int:
        """Prompts, or labels where there are no prompts; one where there is neither."""
        lists = [self.prompts, *(value for value in self.choices.values() if isinstance(value, tuple))]
        return max(1, *map(len, lists))

    @property
    def batch(self) -> int:
        """Pictures of the run."""
        return self.subjects * self.images_per_prompt

    def option(self, name: str) -> Any:  # noqa: ANN401 - a number or a tuple, as the part that reads it says
        """The value of an option that a part reads."""
        return self.choices[name] if name in self.choices else getattr(self, name)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of every picture; -1, which asks for a random one, stands here as its equal below 2^64."""
        return _seeds(self.seed, self.batch)

    @property
    def variation_seeds(self) -> tuple[int, ...]:
        """The variation seed of every picture; none where none was asked for."""
        return () if self.variation_seed is None else _seeds(self.variation_seed, self.batch)

    def of_image(self, index: int) -> dict[str, Any]:
        """The settings that draw picture ``index`` of this run alone, as JSON values for its file.

        Its noise is then the same bit for bit. Engines multiply one row by another kernel than several, so that the
        picture is the same to the last bits of float32 where the network sees one row alone (``docs/samplers.md``).
        """
        values = asdict(self.alone(index))
        listed = {name: list(values[name]) for name in ("prompts", "negative_prompts", "to_prompts", "pictures")}
        choices = {
            name: list(value) if isinstance(value, tuple) else value for name, value in values["choices"].items()
        }
        return {**values, **listed, "choices": choices}

    def alone(self, index: int) -> Settings:
        """The settings of picture ``index`` of this run alone."""
        prompt = index // self.images_per_prompt
        return replace(
            self,
            prompts=self.prompts[prompt : prompt + 1],
            negative_prompts=self.negative_prompts[prompt : prompt + 1],
            choices={
                name: value[prompt : prompt + 1] if isinstance(value, tuple) else value
                for name, value in self.choices.items()
            },
            images_per_prompt=1,
            seed=self.seeds[index],
            variation_seed=None if self.variation_seed is None else self.variation_seeds[index],
            to_prompts=self.to_prompts[prompt : prompt + 1],
        )


class Options(TypedDict, total=False):
    """What a caller may ask of a run; a key left out, or None, takes the default.

    Attributes:
        negative_prompt: What to steer away from, one for all or one per prompt; needs guidance above 1.
        syntax: ``a1111`` or ``compel``: how prompts say weights and more; default: they are texts, brackets included.
        clip_skip: Which layer of CLIP's text encoders the network is told, counted from the last, 1; default: the
            model's own.
        prompt_embeds: What ``Pipeline.encode`` gives, in place of a prompt: ``(prompts, tokens, width)``, floats.
        negative_prompt_embeds: The same for the negative prompt; of one text or one per prompt.
        pooled_prompt_embeds: ``(prompts, width)``, where the network is told such vectors as well.
        negative_pooled_prompt_embeds: Likewise.
        image: A picture to start from: a PIL image or a path. Several, of a model that draws beside several (FLUX.2).
        mask: Where to draw ``image`` anew: a picture of its size, white there (or transparent, where it has transparent
            parts), or ``alpha``: where ``image`` itself is transparent.
        mask_blur: Pixels over which what is drawn goes over into what was there: the standard deviation of a blur of
            ``mask``; needs ``keep="exact"``. Default: none.
        keep: Of ``image`` with a mask: ``model`` (default): the model keeps the known part as well as its autoencoder
            does; ``exact`` (default with ``crop_mask`` and ``extend``): the result has the image's own pixels there,
            and its size.
        crop_mask: Draw only what is around the mask, with so many pixels more on each side, at the run's full size, and
            paste it back: for small masks in large pictures.
        extend: Make ``image`` larger by so many pixels, by side, as ``{"left": 256, "top": 128}``, and draw these.
        strength: How far to go from ``image``: above 0 to 1; default: the family's, such as 0.8 (with a mask, 1); to
            enlarge, 0.3.
        encode: ``sample`` (default, as diffusers) or ``mode`` of the encoder's Gaussian for ``image``.
        denoise: A picture with noise in it, a PIL image or a path, to take the noise out of, with a model that works on
            pixels. It is cut at its edges to what the model can draw, never resized.
        noise_level: With ``denoise``: the standard deviation of that noise, where black is 0 and white is 1; default:
            what is estimated, see ``noise.estimate``. With ``image``: the level that it is noised to, in place of
            ``strength``, in the sampler's terms (``Step.sigma``). The run begins at the schedule's nearest one. Of a
            model for super-resolution: how much noise it is shown ``image`` with, a whole number; the more, the more it
            draws of its own; default: the family's, such as 20.
        steps: Sampling steps; default: the bundle's, or as many as custom ``timesteps`` or ``sigmas`` make.
        guidance: Guidance scale; 1 or less makes one call a step; default: the bundle's.
        guidance_rescale: 0 (default) to 1, see ``guidance.combine``.
        guidance_interval: ``(low, high)``: guidance only where ``low < sigma <= high``, outside of which the network is
            asked once; sigma is a flow's, else noise over signal, as ``Step.sigma``; None for ``high`` is no upper end.
            Another picture; default: at all levels.
        reuse_guidance: Compute the difference that guidance makes at every N-th network call and keep it in between,
            where the network is asked once. Another picture; default: 1, at every call.
        seed: Seed of the first picture, picture i has ``seed + i``; default, and for -1: drawn at random.
        variation_strength: How far the noise goes from that of ``seed`` to that of ``variation_seed``, along an arc, so
            that its variance stays 1: 0 is the one seed's picture, 1 the other's.
        variation_seed: Of the first picture, picture i has ``variation_seed + i``; default, and for -1: random.
        to_prompt: A text between which and the prompt the picture is to lie: both are encoded, and their embeddings
            mixed in a straight line. One for all prompts, or one for each.
        blend: How far, from 0, the prompt, to 1, ``to_prompt``; default 0.5.
        noise: ``torch-cpu`` (default) draws the normals that torch draws on a CPU; others: ``noise.noise_source``.
        sampler: Name of a sampler; default: the bundle's own schedule.
        sampler_options: Fields of the sampler's config to replace, such as ``{"timestep_spacing": "trailing"}``.
        reuse: How many network calls are made for all steps, the others are extrapolated: ``off`` (default), a number
            from 3, or ``auto``: as few as the bundle was tuned for with these settings, else all. Or the orders of a
            schedule, one for each call, as a result has them.
        width: Pixels, a multiple of the bundle's latent factor; default: the bundle's, or the image's.
        height: Pixels, as ``width``.
        images: Pictures per prompt, default 1.
        enlarge: Draw the picture anew at so many times its size, above 1 to 8: ``image``, or where there is none a
            picture that is drawn first, of ``width`` and ``height``. ``strength`` is how far to go from it then.
        tile: Pixels along one side of the tiles that larger pictures are decoded and encoded in, which takes the memory
            of one tile; an enlarged picture is also drawn in them. ``auto``: in tiles where memory is short. Pictures
            differ a little; default: whole.
        decoder: ``full`` (default), or ``tiny``: a small autoencoder of the bundle's, faster and less exact.
        class_label: A number, or a name where the model has names; several are drawn as one batch.
        image_guidance: Scale of what ``image`` adds, of a model that edits it by instruction (InstructPix2Pix), at
            least 1, default 1.5; the higher, the nearer to the picture.
        true_guidance: Scale of classifier-free guidance beside a scale that the network is told; needs a negative
            prompt.
        original_width: Pixels the network is told a picture had before it was cropped; default: ``width``.
        original_height: Likewise; default: ``height``.
        crop_left: Pixels the network is told were cropped; default 0.
        crop_top: Likewise.
        target_width: Pixels the network is told the picture has; default: ``width``.
        target_height: Likewise; default: ``height``.
        aesthetic_score: How well people liked a picture, as the network is told; default 6.
        negative_aesthetic_score: The same for the negative prompt; default 2.5.
        control_image: A picture that steers the network where a component of the bundle is made for it (a ControlNet),
            as ``image``; one for each of these components where there are several, None for those that are left out. It
            is resized to the run's size, which is its own where nothing else says one.
        control_scale: How much it weighs, one number for all pictures or one for each; default 1.
        control_start: Share of the network calls, from 0, after which it is looked at, likewise; default 0.
        control_end: Share of them after which it is no longer, up to 1, likewise; default 1.
        control_preprocessor: ``canny``: what it steers with is the edges in the picture, likewise; default: the picture
            is what the component was taught to follow.
        prompt_image: A picture that says beside the prompt what is to be seen, as ``image``, or several, where the
            bundle has an IP-Adapter.
        prompt_image_scale: How much it weighs; default 1.
        refiner_start: Share of the noise levels after which the refiner of a bundle that has one goes on, above 0 to 1,
            default 0.8; 1 leaves it out.
    """

    negative_prompt: str | Sequence[str] | None
    syntax: str | None
    clip_skip: int | None
    prompt_embeds: Array | None
    negative_prompt_embeds: Array | None
    pooled_prompt_embeds: Array | None
    negative_pooled_prompt_embeds: Array | None
    image: ImageSource | Sequence[ImageSource] | None
    mask: MaskSource | None
    mask_blur: float | None
    keep: Keep | None
    crop_mask: int | None
    extend: Mapping[str, int] | None
    strength: float | None
    encode: EncodeMode | None
    denoise: ImageSource | None
    noise_level: float | None
    steps: int | None
    guidance: float | None
    guidance_rescale: float | None
    guidance_interval: GuidanceInterval | None
    reuse_guidance: int | None
    seed: int | None
    variation_strength: float | None
    variation_seed: int | None
    to_prompt: str | Sequence[str] | None
    blend: float | None
    noise: str | None
    sampler: str | None
    sampler_options: Mapping[str, Any] | None
    reuse: Reuse | None
    width: int | None
    height: int | None
    images: int | None
    enlarge: float | None
    tile: int | Literal["auto"] | None
    decoder: DecoderName | None
    class_label: int | str | Sequence[int | str] | None
    image_guidance: float | None
    true_guidance: float | None
    original_width: int | None
    original_height: int | None
    crop_left: int | None
    crop_top: int | None
    target_width: int | None
    target_height: int | None
    aesthetic_score: float | None
    negative_aesthetic_score: float | None
    control_image: ImageSource | Sequence[ImageSource | None] | None
    control_scale: float | Sequence[float | None] | None
    control_start: float | Sequence[float | None] | None
    control_end: float | Sequence[float | None] | None
    control_preprocessor: str | Sequence[str | None] | None
    prompt_image: ImageSource | Sequence[ImageSource] | None
    prompt_image_scale: float | None
    refiner_start: float | None


def _seeds(first: int, count: int) -> tuple[int, ...]:
    return tuple(seed % 2**64 if seed == RANDOM_SEED else seed for seed in image_seeds(first, count))
