"""Where tokens are, for networks that are told."""

from __future__ import annotations

import numpy as np

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import GridIds, TextIds


def grid_ids(part: GridIds, context: Context) -> dict[str, Value]:
    """Row and column of every token of a picture."""
    rows, columns = (-(-side // part.pixels) for side in (context.settings.height, context.settings.width))
    ids = np.zeros((rows, columns, part.axes), np.float32)
    ids[..., part.row] = np.arange(rows)[:, None]
    ids[..., part.row + 1] = np.arange(columns)
    return {part.to: Value(ids.reshape(-1, part.axes))}


def text_ids(part: TextIds, context: Context) -> dict[str, Value]:
    """Places of the tokens of a text."""
    ids = np.zeros((context.array(part.like).shape[1], part.axes), np.float32)
    if part.count is not None:
        ids[:, part.count] = np.arange(len(ids))
    return {part.to: Value(ids)}
