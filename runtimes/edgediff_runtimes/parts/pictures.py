"""Pictures at both ends of a run."""

from __future__ import annotations

import numpy as np
from PIL import Image

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.images import array_to_image, image_to_array, within_area
from edgediff_runtimes.parts.values import Context, Value, rows_of
from edgediff_runtimes.recipe.declarations import Noised, Picture, Pictures

_AXES, _CHANNELS = 4, (1, 3)
_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}


def picture(part: Picture, context: Context) -> dict[str, Value]:
    """The caller's picture in the size of the run, or its own."""
    image, settings = context.pictures[part.choice], context.settings
    width, height = settings.width // part.factor, settings.height // part.factor
    if part.area is not None:
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


def pictures(part: Pictures, context: Context) -> dict[str, Value]:
    """The result as PIL images."""
    arrays = context.array(part.name)
    if arrays.ndim != _AXES or arrays.shape[1] not in _CHANNELS:
        raise RecipeError(context.stage, "result", f"makes pictures shaped {list(arrays.shape)}", "1 or 3 channels")
    context.images += [array_to_image(array) for array in arrays]
    return {}
