"""Pictures at both ends of a run."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.images import array_to_image, image_to_array, within_area
from edgediff_runtimes.masks import at_sample_size, mask_to_array
from edgediff_runtimes.parts.values import Context, Value, rows_of
from edgediff_runtimes.recipe.declarations import Mask, Noised, Picture, Pictures
from edgediff_runtimes.recipe.sizes import size_of_area

_AXES, _CHANNELS = 4, (1, 3)
_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}


def picture(part: Picture, context: Context) -> dict[str, Value]:
    """The caller's picture in the size of the run, or its own."""
    image, settings = context.pictures[part.choice], context.settings
    width, height = settings.width // part.factor, settings.height // part.factor
    if part.rounded is not None:
        # Of the square as large as the run, whose own sides were rounded too.
        side = size_of_area(1, 1, area=settings.width * settings.height, multiple=part.rounded)[0]
        width, height = size_of_area(*image.size, area=side**2, multiple=part.rounded)
    elif part.area is not None:
        image = within_area(image, area=part.area, multiple=context.space.multiple or context.space.factor)
        width, height = image.size
    return {part.to: Value(image_to_array(image, width=width, height=height, resample=_FILTERS[part.filter]))}


def noised(part: Noised, context: Context) -> dict[str, Value]:
    """The picture with noise, for every picture its own; and the level for every text."""
    level = int(context.settings.option(part.choice))
    signal = np.float32(part.signal[level])
    mixed = np.sqrt(signal) * context.array(part.name) + np.sqrt(np.float32(1) - signal) * context.array(part.noise)
    return {
        part.to: Value(mixed, rows_of(context.values[part.name], context.values[part.noise])),
        part.level: Value(np.full(context.settings.subjects, level, np.int64), "texts"),
    }


def mask(part: Mask, context: Context) -> dict[str, Value]:
    """What is drawn anew, and the picture without it."""
    settings, space = context.settings, context.space
    white = mask_to_array(context.pictures[part.choice], width=settings.width, height=settings.height)
    if part.folded:
        side = space.factor
        rows, columns = settings.height // side, settings.width // side
        folded = white.reshape(1, rows, side, columns, side).transpose(0, 2, 4, 1, 3)
        small = folded.reshape(1, side * side, rows, columns)
    else:
        _, rows, columns = space.shape(width=settings.width, height=settings.height)
        small = at_sample_size(white, rows=rows, columns=columns)
    written = {part.to: Value(np.repeat(small, settings.batch, axis=0), "pictures")}
    if part.masked is not None and part.picture is not None:
        written[part.masked] = Value(context.array(part.picture) * (1 - white))
    return written


def pictures(part: Pictures, context: Context) -> dict[str, Value]:
    """The result as PIL images."""
    arrays = context.array(part.name)
    if arrays.ndim != _AXES or arrays.shape[1] not in _CHANNELS:
        raise RecipeError(context.stage, "result", f"makes pictures shaped {list(arrays.shape)}", "1 or 3 channels")
    context.images += [array_to_image(array) for array in arrays]
    return {}
