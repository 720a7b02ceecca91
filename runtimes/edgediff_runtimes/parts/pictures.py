"""Pictures at both ends of a run."""

from __future__ import annotations

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.images import array_to_image, image_to_array, within_area
from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Picture, Pictures

_AXES, _CHANNELS = 4, (1, 3)


def picture(part: Picture, context: Context) -> dict[str, Value]:
    """The caller's picture in the size of the run, or its own."""
    image, settings = context.pictures[part.choice], context.settings
    width, height = settings.width, settings.height
    if part.area is not None:
        image = within_area(image, area=part.area, multiple=context.space.multiple or context.space.factor)
        width, height = image.size
    return {part.to: Value(image_to_array(image, width=width, height=height))}


def pictures(part: Pictures, context: Context) -> dict[str, Value]:
    """The result as PIL images."""
    arrays = context.array(part.name)
    if arrays.ndim != _AXES or arrays.shape[1] not in _CHANNELS:
        raise RecipeError(context.stage, "result", f"makes pictures shaped {list(arrays.shape)}", "1 or 3 channels")
    context.images += [array_to_image(array) for array in arrays]
    return {}
