"""A picture in which there is noise already."""

from __future__ import annotations

import numpy as np

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import Noisy


def noisy(part: Noisy, context: Context) -> dict[str, Value]:
    """The picture for each of the run; of a grey one, whose three channels are the same, as many as the space has."""
    array = context.array(part.name)[:, : context.space.channels]
    return {part.to: Value(np.repeat(array, context.settings.batch, axis=0), "pictures")}
