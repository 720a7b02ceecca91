"""Pictures that a run is given beside what it starts from: those that steer it, and those beside the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from PIL import Image

from edgediff_runtimes.canvas import Canvas
from edgediff_runtimes.images import read_image
from edgediff_runtimes.recipe import Recipe, Space
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.controls import PICTURE, control_pictures
from edgediff_runtimes.settings.prompt_pictures import prompt_pictures


def pictures_beside(recipe: Recipe, options: Options) -> dict[str, Image.Image]:
    """These pictures, read, by the names that the parts of a recipe know them by.

    Raises:
        SettingError: There are not as many as the bundle has components for them.
        ImageError: One cannot be read.
    """
    given = control_pictures(recipe, options) | prompt_pictures(recipe, options)
    return {name: read_image(source) for name, source in given.items()}


def over(pictures: Mapping[str, Image.Image], canvas: Canvas | None) -> dict[str, Image.Image]:
    """The pictures as a run is given them: those that steer are cut like the picture that is drawn into.

    Args:
        pictures: As ``pictures_beside`` reads them.
        canvas: What is drawn into; None: nothing of a picture is kept.
    """
    return {
        name: canvas.shown(picture) if canvas is not None and name.startswith(f"{PICTURE}.") else picture
        for name, picture in pictures.items()
    }


def sized(options: Options, pictures: Mapping[str, Image.Image], space: Space) -> Options:
    """The options with the size of the first picture that steers, where nothing else says one.

    Args:
        options: The caller's.
        pictures: As ``pictures_beside`` reads them.
        space: What sizes there are.
    """
    first = next((picture for name, picture in pictures.items() if name.startswith(f"{PICTURE}.")), None)
    if first is None or options.get("image") is not None or not space.sized:
        return options
    multiple, found = space.multiple or space.factor, {**options}
    for side, length in zip(("width", "height"), first.size, strict=True):
        if options.get(side) is None:
            found[side] = max(length // multiple, 1) * multiple  # as diffusers cuts it
    return cast("Options", found)
