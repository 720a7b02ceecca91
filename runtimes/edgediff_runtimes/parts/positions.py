"""Where tokens are, for networks that are told."""

from __future__ import annotations

import numpy as np

from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import GridIds, TextIds
from edgediff_runtimes.tensors import Floats


def grid_ids(part: GridIds, context: Context) -> dict[str, Value]:
    """Row and column of every token of a picture."""
    own = tuple(reversed(context.settings.seen(context.space)))
    sides = own if part.like is None else context.array(part.like).shape[-2:]
    rows, columns = (-(-side // part.pixels) for side in sides)
    ids = np.zeros((rows, columns, part.axes), np.float32)
    ids[..., 0] = part.first
    longer = None if part.within is None else max(rows, columns)
    middles = (rows - rows // 2, columns - columns // 2) if part.centred else (0, 0)
    ids[..., part.row] = _places(rows, longer, part.within)[:, None] - middles[0]
    ids[..., part.row + 1] = _places(columns, longer, part.within) - middles[1]
    return {part.to: Value(ids.reshape(-1, part.axes))}


def _places(count: int, longer: int | None, within: int | None) -> Floats:
    """Places along one side of ``count`` tokens, of a picture of ``longer`` along its longer one."""
    if longer is None or within is None:
        return np.arange(count, dtype=np.float32)
    length = round(within / longer * count)
    first = round((within - length) / 2)
    # As diffusers has it: the end is brought nearer as if places began at zero.
    return np.linspace(first, (first + length) * (count - 1) / count, count).astype(np.float32)


def text_ids(part: TextIds, context: Context) -> dict[str, Value]:
    """Places of the tokens of a text."""
    ids = np.zeros((context.array(part.like).shape[1], part.axes), np.float32)
    if part.count is not None:
        ids[:, part.count] = np.arange(len(ids))
    return {part.to: Value(ids)}
