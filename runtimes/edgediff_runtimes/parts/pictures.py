"""Pictures at both ends of a run."""

from __future__ import annotations

from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.images import array_to_image, image_to_array
from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Picture, Pictures

_AXES, _CHANNELS = 4, (1, 3)


def picture(part: Picture, context: Context) -> dict[str, Value]:
    """The caller's picture in the size of the run."""
    settings = context.settings
    image = context.pictures[part.choice]
    return {part.to: Value(image_to_array(image, width=settings.width, height=settings.height))}


def pictures(part: Pictures, context: Context) -> dict[str, Value]:
    """The result as PIL images."""
    arrays = context.array(part.name)
    if arrays.ndim != _AXES or arrays.shape[1] not in _CHANNELS:
        raise RecipeError(context.stage, "result", f"makes pictures shaped {list(arrays.shape)}", "1 or 3 channels")
    context.images += [array_to_image(array) for array in arrays]
    return {}
