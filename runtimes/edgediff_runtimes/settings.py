"""The settings of a run: every one applied or refused, none ignored."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypedDict, TypeVar, cast, final

from edgediff_runtimes.bundle import Manifest
from edgediff_runtimes.errors import ImageError, SettingError
from edgediff_runtimes.images import ImageSource
from edgediff_runtimes.latents import EncodeMode
from edgediff_runtimes.noise import NOISE_KINDS, image_seeds
from edgediff_runtimes.other_names import OTHER_NAMES
from edgediff_runtimes.plain import as_finite, as_whole

T = TypeVar("T")

_SEED_BITS = 32  # all that torch's CPU generator uses of a seed
RANDOM_SEED = -1  # as the web UIs write it; also the default
DEFAULT_STRENGTH = 0.8  # diffusers' default


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """All that fixes a run, given the bundle. Built by ``resolve_settings``.

    Attributes:
        prompts: One or more prompts.
        negative_prompts: One per prompt, or empty where guidance makes no second call.
        images_per_prompt: Pictures of each prompt; picture i of the run has the seed ``seed + i``.
        seed: Seed of the first picture.
        noise: Kind of the noise source (``torch-cpu`` draws what diffusers draws on the CPU).
        steps: Sampling steps of the whole schedule; image-to-image runs the last ``strength`` of them. None where
            custom ``timesteps`` or ``sigmas`` among ``sampler_options`` say it.
        guidance: Scale of classifier-free guidance; 1 and less make one call without it.
        guidance_rescale: Mix of the rescaled result, 0 to 1.
        sampler: A sampler's name, or None for the bundle's own schedule.
        sampler_options: Fields of the sampler's config that replace the bundle's.
        width: Pixels.
        height: Pixels.
        strength: How much of the schedule image-to-image runs, above 0 to 1; None without an image.
        encode: How image-to-image takes latents from the encoder's Gaussian; None without an image.
    """

    prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    images_per_prompt: int
    seed: int
    noise: str
    steps: int | None
    guidance: float
    guidance_rescale: float
    sampler: str | None
    sampler_options: dict[str, Any] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    strength: float | None = None
    encode: EncodeMode | None = None

    @property
    def batch(self) -> int:
        """Pictures of the run."""
        return len(self.prompts) * self.images_per_prompt

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of every picture; -1, which asks for a random one, stands here as its equal below 2^64."""
        return tuple(seed % 2**64 if seed == RANDOM_SEED else seed for seed in image_seeds(self.seed, self.batch))

    def of_image(self, index: int) -> dict[str, Any]:
        """The settings that draw picture ``index`` of this run alone, as JSON values for its file.

        Its noise is then the same bit for bit. Engines multiply one row by another kernel than several, so that the
        picture is the same to the last bits of float32 where the network sees one row alone (``docs/samplers.md``).
        """
        prompt = index // self.images_per_prompt
        values = asdict(self)
        values.update(
            prompts=[self.prompts[prompt]],
            negative_prompts=[self.negative_prompts[prompt]] if self.negative_prompts else [],
            images_per_prompt=1,
            seed=self.seeds[index],
        )
        return values


class Options(TypedDict, total=False):
    """What a caller may ask of a run; a key left out, or None, takes the default.

    Attributes:
        negative_prompt: What to steer away from, one for all or one per prompt; needs guidance above 1.
        image: A picture to start from: a PIL image or a path.
        strength: How far to go from ``image``: above 0 to 1, default 0.8.
        encode: ``sample`` (default, as diffusers) or ``mode`` of the encoder's Gaussian for ``image``.
        steps: Sampling steps; default: the bundle's, or as many as custom ``timesteps`` or ``sigmas`` make.
        guidance: Guidance scale; 1 or less makes one call a step; default: the bundle's.
        guidance_rescale: 0 (default) to 1, see ``guidance.combine``.
        seed: Seed of the first picture, picture i has ``seed + i``; default, and for -1: drawn at random.
        noise: ``torch-cpu`` (default) draws the normals that torch draws on a CPU; others: ``noise.noise_source``.
        sampler: Name of a sampler; default: the bundle's own schedule.
        sampler_options: Fields of the sampler's config to replace, such as ``{"timestep_spacing": "trailing"}``.
        width: Pixels, a multiple of the bundle's latent factor; default: the bundle's, or the image's.
        height: Pixels, as ``width``.
        images: Pictures per prompt, default 1.
    """

    negative_prompt: str | Sequence[str] | None
    image: ImageSource | None
    strength: float | None
    encode: EncodeMode | None
    steps: int | None
    guidance: float | None
    guidance_rescale: float | None
    seed: int | None
    noise: str | None
    sampler: str | None
    sampler_options: Mapping[str, Any] | None
    width: int | None
    height: int | None
    images: int | None


def options_of(values: object) -> tuple[str, Options]:
    """Prompt and options that draw a picture again, from what ``Settings.of_image`` gave for it.

    Raises:
        ImageError: These are no such settings.
    """
    names = {field.name for field in fields(Settings)}
    problem = ImageError("the picture's settings are not those of this edgediff: expected " + ", ".join(sorted(names)))
    if not isinstance(values, dict) or values.keys() != names:
        raise problem
    prompts, negatives = _texts(values["prompts"]), _texts(values["negative_prompts"])
    if len(prompts) != 1 or len(negatives) > 1 or list(negatives) != values["negative_prompts"]:
        raise problem
    options = {name: value for name, value in values.items() if name in Options.__annotations__}
    options["negative_prompt"] = negatives[0] if negatives else None
    return prompts[0], cast("Options", options)


def resolve_settings(
    manifest: Manifest,
    prompt: str | Sequence[str],
    options: Options,
    *,
    image_size: tuple[int, int] | None,
    distilled_guidance: bool,
) -> Settings:
    """Fill in the bundle's defaults and check every option.

    Args:
        manifest: Has defaults and the latent factor.
        prompt: One prompt or several.
        options: What the caller asked for.
        image_size: Width and height of ``options["image"]``, or None without one.
        distilled_guidance: Whether the network takes the guidance scale as an input, so that there is no second call.

    Raises:
        SettingError: An option is unknown or cannot be applied; the sentence says what was got and what was expected.
    """
    known = Options.__annotations__.keys()
    if unknown := sorted(options.keys() - known):
        ours = OTHER_NAMES.get(unknown[0].lower())
        hint = None if ours is None else f"it is called `{ours}` here"
        raise SettingError("options", got=unknown[0], expected=f"one of {', '.join(known)}", hint=hint)
    prompts = _texts([prompt] if isinstance(prompt, str) else prompt)
    if not prompts:
        raise SettingError("prompt", got=prompt, expected="a Unicode text or a sequence of at least one")
    defaults = manifest.defaults
    guidance = _number("guidance", _or(options.get("guidance"), defaults.guidance))
    negatives = _negatives(options.get("negative_prompt"), prompts, guided=guidance > 1 and not distilled_guidance)
    sampler_options = _sampler_options(_or(options.get("sampler_options"), {}))
    width, height = _size(manifest, options, image_size)
    strength, encode = _start(options, image_size)
    return Settings(
        prompts=prompts,
        negative_prompts=negatives,
        images_per_prompt=_at_least_one("images", _or(options.get("images"), 1)),
        seed=_seed(_or(options.get("seed"), RANDOM_SEED)),
        noise=_noise(_or(options.get("noise"), NOISE_KINDS[0])),
        steps=_steps(options.get("steps"), defaults.steps, sampler_options),
        guidance=guidance,
        guidance_rescale=_rescale(_or(options.get("guidance_rescale"), 0.0), guided=bool(negatives)),
        sampler=_sampler(options.get("sampler")),
        sampler_options=sampler_options,
        width=width,
        height=height,
        strength=strength,
        encode=encode,
    )


def _or(value: T | None, default: T) -> T:
    return default if value is None else value


def _texts(value: object) -> tuple[str, ...]:
    """The texts of a list of texts; none where it is anything else."""
    items = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return items if all(isinstance(item, str) and _is_unicode(item) for item in items) else ()


def _is_unicode(text: str) -> bool:
    """Whether a text has no surrogates, which stand for bytes of a command line that are no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _seed(value: int) -> int:
    seed = image_seeds(value, 1)[0]
    return secrets.randbits(_SEED_BITS) if seed == RANDOM_SEED else seed


def _noise(value: str) -> str:
    if value not in NOISE_KINDS:
        raise SettingError("noise", got=value, expected=f"one of {', '.join(NOISE_KINDS)}")
    return value


def _steps(value: int | None, default: int, sampler_options: Mapping[str, Any]) -> int | None:
    if value is None and any(sampler_options.get(name) is not None for name in ("timesteps", "sigmas")):
        return None
    return _at_least_one("steps", _or(value, default))


def _sampler(value: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise SettingError("sampler", got=value, expected="the name of a sampler")
    return value


def _sampler_options(value: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the config; they must survive the way through a picture's metadata."""
    expected = "an object of fields of the sampler's config, with values that JSON has"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise SettingError("sampler_options", got=value, expected=expected) from error
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise SettingError("sampler_options", got=value, expected=expected)
    if taken := sorted(value.keys() & {"steps", "config"}):
        raise SettingError("sampler_options", got=value, expected=f"no `{taken[0]}` among the fields")
    return dict(value)


def _rescale(value: float, *, guided: bool) -> float:
    rescale = _number("guidance_rescale", value)
    if not 0 <= rescale <= 1:
        raise SettingError("guidance_rescale", got=value, expected="a number from 0 to 1")
    if rescale and not guided:
        raise SettingError("guidance_rescale", got=value, expected="0, because this run has no guidance")
    return rescale


def _start(options: Options, image_size: tuple[int, int] | None) -> tuple[float | None, EncodeMode | None]:
    """Strength and encode mode of image-to-image; both None without an image."""
    if image_size is None:
        for name in ("strength", "encode"):
            if options.get(name) is not None:
                raise SettingError(name, got=options.get(name), expected="nothing, because there is no image")
        return None, None
    strength = _number("strength", _or(options.get("strength"), DEFAULT_STRENGTH))
    if not 0 < strength <= 1:
        raise SettingError("strength", got=strength, expected="a number above 0 and at most 1")
    encode: EncodeMode = _or(options.get("encode"), "sample")
    if encode not in ("sample", "mode"):
        raise SettingError("encode", got=encode, expected="`sample` or `mode`")
    return strength, encode


def _negatives(negative: str | Sequence[str] | None, prompts: tuple[str, ...], *, guided: bool) -> tuple[str, ...]:
    if not guided:
        if negative is not None:
            raise SettingError(
                "negative_prompt",
                got=negative,
                expected="nothing, because without guidance above 1 it has no effect",
                hint="raise `guidance`",
            )
        return ()
    each = [negative or ""] * len(prompts) if negative is None or isinstance(negative, str) else negative
    texts = _texts(each)
    if len(texts) != len(prompts):
        raise SettingError(
            "negative_prompt", got=negative, expected=f"one Unicode text, or {len(prompts)} as there are prompts"
        )
    return texts


def _size(manifest: Manifest, options: Options, image_size: tuple[int, int] | None) -> tuple[int, int]:
    factor = manifest.latents.factor
    if image_size is None:
        fallback = manifest.defaults.width, manifest.defaults.height
    else:
        # As diffusers: an image keeps its size, cut to whole latent pixels.
        fallback = max(image_size[0] // factor, 1) * factor, max(image_size[1] // factor, 1) * factor
    width = _or(options.get("width"), fallback[0])
    height = _or(options.get("height"), fallback[1])
    return _side("width", width, factor), _side("height", height, factor)


def _side(name: str, value: int, factor: int) -> int:
    side = as_whole(value)
    if side is None:
        raise SettingError(name, got=value, expected=f"a whole number, and a multiple of {factor}")
    if side < factor or side % factor:
        near = max(round(side / factor), 1) * factor
        raise SettingError(name, got=value, expected=f"a multiple of {factor}", hint=f"{near} is the nearest")
    return side


def _number(name: str, value: float) -> float:
    number = as_finite(value)
    if number is None:
        raise SettingError(name, got=value, expected="a finite number")
    return number


def _at_least_one(name: str, value: int) -> int:
    number = as_whole(value)
    if number is None or number < 1:
        raise SettingError(name, got=value, expected="a whole number of at least 1")
    return number
