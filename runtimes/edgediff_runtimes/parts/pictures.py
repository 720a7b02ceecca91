"""Pictures at both ends of a run."""

from __future__ import annotations

from edgediff_runtimes.images import array_to_image, image_to_array
from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Picture, Pictures


def picture(part: Picture, context: Context) -> dict[str, Value]:
    """The caller's picture in the size of the run."""
    settings = context.settings
    image = context.pictures[part.choice]
    return {part.to: Value(image_to_array(image, width=settings.width, height=settings.height))}


def pictures(part: Pictures, context: Context) -> dict[str, Value]:
    """The result as PIL images."""
    context.images += [array_to_image(array) for array in context.array(part.name)]
    return {}
