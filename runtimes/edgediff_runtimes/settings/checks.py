"""Checks of single options; each gives the value back or raises ``SettingError`` that says what was expected."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from edgediff_runtimes.bundle import Defaults
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.families import FAMILIES
from edgediff_runtimes.memory import tile_that_fits
from edgediff_runtimes.noise import NOISE_KINDS
from edgediff_runtimes.parts.tiling import LEAST
from edgediff_runtimes.plain import as_finite, as_whole
from edgediff_runtimes.recipe import Guidance, Recipe, Space
from edgediff_runtimes.recipe.declarations import Choice
from edgediff_runtimes.sampling.reuse import FEWEST, ReuseSchedule
from edgediff_runtimes.settings.options import DecoderName, EncodeMode, GuidanceInterval, Options, Reuse
from edgediff_runtimes.untrusted.bounds import IMAGES, PIXELS, SIDE, STEPS, Bound

_NO_TEXT = "nothing, because the bundle's model takes no text"
_SMALL_DECODER = "`edgediff export MODEL BUNDLE --component tiny_decoder=DIR` keeps an `AutoencoderTiny` beside it"
_NEAR = 3  # names that a hint has room for


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list of texts; none where it is anything else."""
    items = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return items if all(isinstance(item, str) and _is_unicode(item) for item in items) else ()


def _is_unicode(text: str) -> bool:
    """Whether a text has no surrogates, which stand for bytes of a command line that are no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def prompts(value: str | Sequence[str] | None, recipe: Recipe) -> tuple[str, ...]:
    """At least one prompt, or none where the model takes no text."""
    if "prompt" not in recipe.options:
        if value is not None:
            hint = None if recipe.labels is None else f"`{recipe.labels.choice}` says which class to draw"
            raise SettingError("prompt", got=value, expected=_NO_TEXT, hint=hint)
        return ()
    found = texts([value] if isinstance(value, str) else value)
    if not found:
        raise SettingError("prompt", got=value, expected="a Unicode text or a sequence of at least one")
    return found


def negatives(
    guidance: Guidance | None,
    negative: str | Sequence[str] | None,
    prompts: tuple[str, ...],
    *,
    guided: bool,
    option: str = "negative_prompt",
) -> tuple[str, ...]:
    """One negative prompt per prompt; none without guidance, and where zeros stand for it.

    ``option`` gave them, which may be embeddings with empty texts in their place.
    """
    if not prompts and negative is not None:
        raise SettingError("negative_prompt", got=negative, expected=_NO_TEXT)
    if not guided or guidance is None or not prompts:
        if negative is not None:
            raise SettingError(
                option,
                got=negative if option == "negative_prompt" else "an array",
                expected="nothing, because without guidance above 1 it has no effect",
                hint=f"raise `{'guidance' if guidance is None else guidance.scale}`",
            )
        return ()
    if negative is None and guidance.zeros:
        return ()
    each = [negative or ""] * len(prompts) if negative is None or isinstance(negative, str) else negative
    found = texts(each)
    if len(found) != len(prompts):
        raise SettingError(
            "negative_prompt",
            got=negative,
            expected=f"one Unicode text, or a list with one for each of {len(prompts)} prompts",
        )
    return found


def noise(value: str) -> str:
    """The kind of a noise source."""
    if value not in NOISE_KINDS:
        raise SettingError("noise", got=value, expected=f"one of {', '.join(NOISE_KINDS)}")
    return value


def steps(value: int | None, default: int, sampler_options: Mapping[str, Any]) -> int | None:
    """Sampling steps; None where the sampler's options say them."""
    if value is None and any(sampler_options.get(name) is not None for name in ("timesteps", "sigmas")):
        return None
    return at_least_one("steps", default if value is None else value, STEPS)


def sampler(value: str | None) -> str | None:
    """The name of a sampler, or None."""
    if value is not None and not isinstance(value, str):
        raise SettingError("sampler", got=value, expected="the name of a sampler")
    return value


def sampler_options(value: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the config; they must survive the way through a picture's metadata."""
    expected = "an object of fields of the sampler's config, with values that JSON has"
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingError("sampler_options", got=value, expected=expected) from error
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise SettingError("sampler_options", got=value, expected=expected)
    if taken := sorted(value.keys() & {"steps", "config"}):
        raise SettingError("sampler_options", got=value, expected=f"no `{taken[0]}` among the fields")
    return dict(value)


def reuse(value: Reuse) -> Reuse:
    """Network calls to make, orders, ``auto`` or ``off``; how many calls a run has is known to its sampler alone."""
    if isinstance(value, str) and value in ("auto", "off"):
        return value
    if isinstance(value, list | tuple) and ReuseSchedule.fits(value):
        return tuple(value)
    found = as_whole(value)
    if found is None or found < FEWEST:
        expected = f"`auto`, `off`, a whole number of at least {FEWEST}, or the orders of a schedule"
        raise SettingError("reuse", got=value, expected=expected)
    return found


def rescale(value: float, *, guided: bool) -> float:
    """The mix of the rescaled result, 0 to 1; 0 without guidance."""
    share = from_0_to_1("guidance_rescale", value)
    if share and not guided:
        raise SettingError("guidance_rescale", got=value, expected="0, because this run has no guidance")
    return share


def guidance_interval(value: GuidanceInterval | None, *, guided: bool) -> GuidanceInterval | None:
    """Between which noise levels there is guidance; None: at all."""
    if value is None:
        return None
    low, high = value if isinstance(value, list | tuple) and len(value) == 2 else (None, None)  # noqa: PLR2004 - a pair
    lowest, highest = as_finite(low), None if high in (None, math.inf) else as_finite(high)
    if lowest is None or lowest < 0 or (high not in (None, math.inf) and (highest is None or highest <= lowest)):
        expected = "two noise levels, the lower one first and not below 0; None for no upper end"
        raise SettingError("guidance_interval", got=value, expected=expected)
    if not guided:
        raise SettingError("guidance_interval", got=value, expected="nothing, because this run has no guidance")
    return lowest, highest


def reuse_guidance(value: int, *, guided: bool) -> int:
    """At every which call the difference of guidance is computed."""
    every = at_least_one("reuse_guidance", value, STEPS)
    if every > 1 and not guided:
        raise SettingError("reuse_guidance", got=value, expected="1, because this run has no guidance")
    return every


def start(
    options: Options, image_size: tuple[int, int] | None, *, default: float
) -> tuple[float | None, EncodeMode | None]:
    """Strength and encode mode of a run that starts from a picture; both None without one."""
    if image_size is None:
        for name in ("strength", "encode"):
            if options.get(name) is not None:
                raise SettingError(name, got=options.get(name), expected="nothing, because there is no image")
        return None, None
    given = options.get("strength")
    strength = share("strength", default if given is None else given)
    encode: EncodeMode = options.get("encode") or "sample"
    if encode not in ("sample", "mode"):
        raise SettingError("encode", got=encode, expected="`sample` or `mode`")
    return strength, encode


def size(space: Space, defaults: Defaults, options: Options, image_size: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height in pixels: what was asked for, else the image's, else the bundle's."""
    multiple = space.multiple or space.factor
    fallback = (defaults.width, defaults.height) if image_size is None else space.from_picture(*image_size)
    fixed = space.width, space.height
    sides = []
    for name, given, default, entries in zip(
        ("width", "height"), (options.get("width"), options.get("height")), fallback, fixed, strict=True
    ):
        if entries is not None:
            sides.append(_fixed_side(name, given, entries * space.factor))
        else:
            sides.append(_side(name, default if given is None else given, multiple, space.largest))
    return sides[0], sides[1]


def tile(
    value: int | str | None,
    space: Space,
    *,
    width: int,
    height: int,
    least: int = LEAST,
    spare: Callable[[], int | None],
) -> int | None:
    """Pixels along one side of a tile, as pictures have them; None where the picture is no larger.

    Args:
        value: What the caller asked for.
        space: Of the stage.
        width: Pixels of the picture.
        height: Likewise.
        least: Entries of a sample along the smallest tile.
        spare: Tells how many bytes there are for what is computed in tiles; None: enough.
    """
    multiple = space.multiple or space.factor
    least = -(-least * space.factor // multiple) * multiple
    side = None if value in (None, "auto") else as_whole(value)
    if value not in (None, "auto") and (side is None or side < least):
        raise SettingError("tile", got=value, expected=f"a whole number of pixels from {least}, or `auto`")
    if value == "auto":
        side = tile_that_fits(spare(), width=width, height=height)
    if side is None or side >= max(width, height):
        return None
    return max(side // multiple * multiple, least)


def static_size(space: Space, defaults: Defaults, static: tuple[int, int]) -> None:
    """Refuse a size that the model does not draw."""
    width, height = static
    try:
        size(space, defaults, {"width": width, "height": height}, None)
        memory(1, width, height)
    except SettingError as error:
        expected = f"a size that the model draws, where {error.sentence}"
        raise SettingError("static", got=f"{width}x{height}", expected=expected) from error


def at_static_size(options: Options, static: tuple[int, int]) -> Options:
    """The options with the size that graphs are compiled for; another one is refused."""
    width, height = static
    if options.get("enlarge") is not None:
        expected = f"nothing, because the bundle was loaded for {width}x{height} alone"
        raise SettingError("enlarge", got=options.get("enlarge"), expected=expected, hint="`static` fixes the size")
    for name, given, side in (("width", options.get("width"), width), ("height", options.get("height"), height)):
        if given is not None and as_whole(given) != side:
            expected = f"{side}, because the bundle was loaded for {width}x{height} alone"
            raise SettingError(name, got=given, expected=expected, hint="`static` fixes the size")
    return {**options, "width": width, "height": height}


def decoder(value: str | None, recipe: Recipe, *, family: str | None) -> DecoderName | None:
    """What decodes; None where the bundle has one decoder alone, or none."""
    if value not in (None, "full", "tiny"):
        raise SettingError("decoder", got=value, expected="`full` or `tiny`")
    if "decoder" in recipe.options:
        return "tiny" if value == "tiny" else "full"
    if value == "tiny":
        hint = next((_SMALL_DECODER for each in FAMILIES if each.name == family and each.small_decoder), None)
        raise SettingError("decoder", got=value, expected="`full`, because the bundle has no small decoder", hint=hint)
    return None


def _fixed_side(name: str, value: int | None, side: int) -> int:
    if value is not None and as_whole(value) != side:
        raise SettingError(name, got=value, expected=f"{side}, the only one that the bundle's model draws")
    return side


def _side(name: str, value: int | None, multiple: int, largest: int | None) -> int:
    side = as_whole(value)
    if side is None:
        raise SettingError(name, got=value, expected=f"a whole number, and a multiple of {multiple}")
    if side < multiple or side % multiple:
        near = max(round(side / multiple), 1) * multiple
        raise SettingError(name, got=value, expected=f"a multiple of {multiple}", hint=f"{near} is the nearest")
    if side > SIDE.most:
        raise SettingError(name, got=value, expected=SIDE.expected)
    if largest is not None and side > largest:
        raise SettingError(name, got=value, expected=f"at most {largest}, the largest that the model has positions for")
    return side


def choice(part: Choice, value: Any) -> float | tuple[float, ...]:  # noqa: ANN401 - what a caller gave
    """A number, or one label per picture where the part has labels.

    Raises:
        SettingError: It is missing and has no default, or is no such number or label.
    """
    if value is None:
        if part.default is None:
            hint = f"`{part.choice}` says which class to draw" if part.below is not None else None
            raise SettingError(part.choice, got=None, expected=_expected(part), hint=hint)
        return (part.default,) if part.below is not None else part.default
    if part.below is None:
        return number(part.choice, value)
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not several:
        raise SettingError(part.choice, got=value, expected=_expected(part))
    return tuple(_label(part, item) for item in several)


def _label(part: Choice, value: object) -> int:
    label = part.names.get(value.strip().lower()) if isinstance(value, str) else as_whole(value)
    if label is None and isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        label = int(value)
    if label is None or part.below is None or not 0 <= label < part.below:
        raise SettingError(part.choice, got=value, expected=_expected(part), hint=_near(part, value))
    return label


def _near(part: Choice, value: object) -> str | None:
    """Names like the one that a caller gave: spelt nearly so, or with it among their words."""
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip().lower()
    names = [name for name in part.names if text in name.split()]
    near = [*get_close_matches(text, part.names, n=_NEAR), *names][:_NEAR]
    return f"did you mean {', '.join(dict.fromkeys(near))}?" if near else None


def _expected(part: Choice) -> str:
    if part.below is None:
        return "a number"
    named = f", or a name such as {', '.join(list(part.names)[:3])}" if part.names else ""
    return f"a whole number from 0 to {part.below - 1}{named}"


def number(name: str, value: float | None) -> float:
    """A finite number."""
    found = as_finite(value)
    if found is None:
        raise SettingError(name, got=value, expected="a finite number")
    return found


def from_0_to_1(name: str, value: float | None) -> float:
    """A number from 0 to 1, both among them."""
    found = number(name, value)
    if not 0 <= found <= 1:
        raise SettingError(name, got=value, expected="a number from 0 to 1")
    return found


def share(name: str, value: float | None) -> float:
    """A number above 0 and at most 1."""
    found = number(name, value)
    if not 0 < found <= 1:
        raise SettingError(name, got=value, expected="a number above 0 and at most 1")
    return found


def at_least_one(name: str, value: int, bound: Bound) -> int:
    """A whole number of at least 1, within a bound."""
    found = as_whole(value)
    if found is None or found < 1:
        raise SettingError(name, got=value, expected="a whole number of at least 1")
    if found > bound.most:
        raise SettingError(name, got=value, expected=bound.expected)
    return found


def memory(pictures: int, width: int, height: int) -> None:
    """Refuse what no memory holds, before anything is made for it."""
    if pictures > IMAGES.most:
        raise SettingError("images", got=f"{pictures:,} with all prompts", expected=IMAGES.expected)
    if pictures * width * height > PIXELS.most:
        got = f"{pictures:,} of {width}x{height}"
        expected = f"at most {PIXELS.most:,} pixels, because {PIXELS.reason}"
        raise SettingError("images", got=got, expected=expected, hint="draw fewer at a time, or smaller ones")
