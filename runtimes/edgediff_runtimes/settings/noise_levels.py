"""``noise_level``: where a run begins, told as an amount of noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from PIL import Image

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.noise.estimate import noise_level_of
from edgediff_runtimes.recipe import Recipe, Stage
from edgediff_runtimes.recipe.declarations import Mask, Noisy
from edgediff_runtimes.settings import checks
from edgediff_runtimes.settings.options import EncodeMode, Options, Settings

NAME = "noise_level"


def estimated(recipe: Recipe, task: str, options: Options, pictures: Mapping[str, Image.Image]) -> Options:
    """The options with the noise level of a noisy picture, where the caller does not tell it.

    Raises:
        SettingError: The picture is too small, or has no noise that could be seen.
    """
    if noisy_of(recipe.first, task) is None or options.get(NAME) is not None:
        return options
    pixels = np.asarray(next(iter(pictures.values())), np.float32).transpose(2, 0, 1) / np.float32(255)
    level = noise_level_of(pixels) if min(pixels.shape[1:]) > 1 else 0.0
    if level == 0:
        expected = "a number above 0, because no noise was found in the picture"
        raise SettingError(NAME, got=None, expected=expected)
    return cast("Options", {**options, NAME: level})


def grey(stage: Stage, task: str, pictures: Mapping[str, Image.Image]) -> dict[str, Image.Image]:
    """The pictures, noisy ones without colours where the model draws none."""
    if stage.space.channels > 1 or noisy_of(stage, task) is None:
        return dict(pictures)
    return {name: picture.convert("L").convert("RGB") for name, picture in pictures.items()}


def start(
    recipe: Recipe,
    task: str,
    options: Options,
    size: tuple[int, int],
    image_size: tuple[int, int] | None,
    *,
    default: float,
) -> tuple[float | None, EncodeMode | None]:
    """Strength and encode mode, see ``checks.start``; no strength where a noise level stands in its place.

    Args:
        recipe: The recipe.
        task: Its task.
        options: What the caller asked for.
        size: Width and height of the run.
        image_size: Those of the picture that it starts from, if there is one.
        default: The strength where the caller says none.

    Raises:
        SettingError: Both are given, or a noisy picture has another size.
    """
    stage = recipe.first
    if image_size is not None and noisy_of(stage, task) is not None:
        _check_size(stage, size, image_size)
    masked = any(isinstance(part, Mask) for part in stage.tasks[task])  # also from noise it has a strength, of 1
    from_clean = image_size if masked or _starts(stage, task) else None
    strength, encode = checks.start(options, from_clean, default=default)
    if not _of_the_start(recipe, task) or options.get(NAME) is None:
        return strength, encode
    if options.get("strength") is not None:
        expected = "nothing beside `strength`, which says the same in shares of the schedule"
        raise SettingError(NAME, got=options.get(NAME), expected=expected)
    return None, encode


def chosen(recipe: Recipe, task: str, options: Options) -> dict[str, float]:
    """The noise level that a run begins at, by option, where the caller tells one.

    Raises:
        SettingError: It is no number above 0, or there is nothing to begin with.
    """
    given = options.get("noise_level")
    if given is None or _told_to_the_network(recipe):
        return {}
    if not _of_the_start(recipe, task):
        raise SettingError(NAME, got=given, expected="nothing, because there is no image")
    level = checks.number(NAME, given)
    if level <= 0:
        raise SettingError(NAME, got=given, expected="a number above 0")
    return {NAME: level}


def level_of(stage: Stage, settings: Settings) -> tuple[float, float] | None:
    """The noise level that a run begins at, in the sampler's terms, and what one of the caller's is there.

    None where the run begins at the end of the noise, or where a strength says.
    """
    if NAME not in settings.choices or not _of_the_start(Recipe((stage,)), settings.task):
        return None
    noisy = noisy_of(stage, settings.task)
    unit = 1.0 if noisy is None else noisy.span
    return settings.choices[NAME] * unit, unit


def noisy_of(stage: Stage, task: str) -> Noisy | None:
    """The part that takes a noisy picture."""
    return next((part for part in stage.tasks[task] if isinstance(part, Noisy)), None)


def _check_size(stage: Stage, size: tuple[int, int], image_size: tuple[int, int]) -> None:
    """Refuse another size than a noisy picture has, whose noise would be another; a few pixels are cut off."""
    least = stage.space.multiple or stage.space.factor
    for name, side, own in zip(("width", "height"), size, image_size, strict=True):
        if own < least:
            expected = f"a picture of at least {least}x{least}"
            raise SettingError("denoise", got=f"one of {image_size[0]}x{image_size[1]}", expected=expected)
        if side != own // least * least:
            expected = f"{own // least * least}, because a noisy picture is not resized"
            raise SettingError(name, got=side, expected=expected)


def _starts(stage: Stage, task: str) -> bool:
    return any("start" in part.writes for part in stage.tasks[task])


def _of_the_start(recipe: Recipe, task: str) -> bool:
    if _told_to_the_network(recipe):
        return False
    return _starts(recipe.first, task) or noisy_of(recipe.first, task) is not None


def _told_to_the_network(recipe: Recipe) -> bool:
    """Whether a network is told a noise level: then that is what the option means."""
    parts = (part for stage in recipe.stages for phase in stage.phases.values() for part in phase)
    return any(NAME in part.chosen for part in parts)
