"""Enlarging: a picture is drawn anew at a multiple of its size, from itself.

Where the caller gives no picture, one is drawn first, at the size that the model was made for: what web UIs call a
hires fix. The second drawing is image-to-image, each picture for itself, with its own seed from the beginning: what
the caller would get who gave the first picture back.
"""

from __future__ import annotations

from dataclasses import replace

from edgediff_runtimes.bundle import Defaults
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.plain import as_finite
from edgediff_runtimes.recipe import Recipe, Space
from edgediff_runtimes.recipe.declarations import Mask, Noised, Picture
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.settings import checks
from edgediff_runtimes.settings.options import Settings

IMAGE = "image"
NO_PICTURE = "draws from no picture in the size that is asked for"
LEAST_TILE = 8  # entries of a sample: 64 pixels of a model whose latents have an entry for 8
_MOST = 8
_STRENGTH = 0.3  # docs/enlarging.md: with more, tiles begin to draw things of their own


def factor(value: float | None, recipe: Recipe, pictures: tuple[str, ...]) -> float | None:
    """By how much to enlarge; None: not at all.

    Args:
        value: What the caller asked for.
        recipe: The bundle's.
        pictures: The options that hold pictures of the caller's.

    Raises:
        SettingError: It is no such number, the model draws from no picture alone, or others are given beside it.
    """
    if value is None:
        return None
    if task(recipe) == "":
        raise SettingError("enlarge", got=value, expected=f"nothing, because the bundle's model {NO_PICTURE}")
    found = as_finite(value)
    if found is None or not 1 < found <= _MOST:
        raise SettingError("enlarge", got=value, expected=f"a number above 1 and at most {_MOST}")
    if others := [name for name in pictures if name != IMAGE]:
        raise SettingError("enlarge", got=value, expected=f"nothing beside `{others[0]}`", hint="enlarge the result")
    return found


def task(recipe: Recipe) -> str:
    """The task that starts from a picture of the caller's and from nothing else; empty where there is none."""
    found = (task for task, parts in recipe.first.tasks.items() if _starts(parts))
    return next(found, "") if recipe.first.space.sized else ""


def strength(steps: int | None) -> float:
    """How far to go where the caller does not say: little, but at least one step of several.

    Args:
        steps: Of the whole schedule; None where custom timesteps say it.
    """
    return max(_STRENGTH, 1 / steps) if steps is not None and steps > 1 else _STRENGTH


def size(space: Space, before: tuple[int, int], factor: float) -> tuple[int, int]:
    """Width and height of an enlarged picture, as near as the model draws.

    Args:
        space: Of the stage.
        before: Width and height of the picture.
        factor: By how much.
    """
    multiple = space.multiple or space.factor
    width, height = (max(round(side * factor / multiple), 1) * multiple for side in before)
    return width, height


def check_size(space: Space, defaults: Defaults, size: tuple[int, int], factor: float, *, tile: int | None) -> None:
    """Refuse a size that the model does not draw.

    Args:
        space: Of the stage.
        defaults: The bundle's.
        size: Of the enlarged picture.
        factor: By how much.
        tile: Pixels along one side of what the network sees at once; None: all of it.

    Raises:
        SettingError: It is one.
    """
    width, height = size if tile is None else (min(side, tile) for side in size)
    try:
        checks.size(space, defaults, {"width": width, "height": height}, None)
        checks.size(replace(space, largest=None), defaults, {"width": size[0], "height": size[1]}, None)
    except SettingError as error:
        expected = f"a factor that makes a size that the model draws ({error.sentence})"
        raise SettingError("enlarge", got=factor, expected=expected, hint="a `tile` is drawn at a time") from error


def drawings(settings: Settings, recipe: Recipe) -> tuple[Settings, ...]:
    """The settings of each drawing of a run, in their order: one, or a first one and each of its pictures anew."""
    if settings.enlarge is None:
        return (settings,)
    before = settings.width, settings.height
    width, height = size(recipe.first.space, before, settings.enlarge)
    anew = replace(settings, width=width, height=height, task=task(recipe))
    if IMAGE in settings.pictures:
        return (anew,)
    smaller = settings.tile is not None and settings.tile < max(before)
    first = replace(settings, enlarge=None, strength=None, encode=None, tile=settings.tile if smaller else None)
    return (first, *(anew.alone(index) for index in range(settings.batch)))


def noise_level(part: Noised, value: object) -> int:
    """The level of noise that a model for super-resolution is shown the picture with.

    Raises:
        SettingError: The model was not taught that one.
    """
    level = float(part.default) if value is None else as_finite(value)
    if level is None or not 0 <= level < len(part.signal) or not level.is_integer():
        expected = f"a whole number from 0 to {len(part.signal) - 1}"
        raise SettingError(part.choice, got=value, expected=expected)
    return int(level)


def _starts(parts: tuple[Part, ...]) -> bool:
    pictures = [part.choice for part in parts if isinstance(part, Picture | Mask)]
    return pictures == [IMAGE] and any("start" in part.writes for part in parts)
