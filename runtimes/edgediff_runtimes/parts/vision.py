"""Pictures and places for language models that look at pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgediff_runtimes.errors import ImageError, RecipeError
from edgediff_runtimes.parts.values import Context, Value
from edgediff_runtimes.recipe.declarations import PictureTextIds, WindowPatches
from edgediff_runtimes.recipe.sizes import size_of_area
from edgediff_runtimes.recipe.wires import SEVERAL
from edgediff_runtimes.tensors import Array, Floats

_LONGEST = 200  # times as long as wide, as transformers allows


class _Windows(NamedTuple):
    """One picture's, as ``WindowPatches`` says, and its rows and columns of tokens."""

    patches: Floats
    positions: NDArray[np.int64]
    inside: NDArray[np.int64]
    order: NDArray[np.int64]
    grid: tuple[int, int]


def window_patches(part: WindowPatches, context: Context) -> dict[str, Value]:
    """Patches of all pictures, window by window."""
    settings = context.settings
    run = settings.width, settings.height
    pictures = [context.pictures[name] for name in SEVERAL if name in context.pictures]
    sizes = [
        run if part.area is None else size_of_area(*picture.size, area=part.area, multiple=part.rounded)
        for picture in pictures
    ]
    each = [
        _windows(picture.resize(size, Image.Resampling.LANCZOS), part)
        for picture, size in zip(pictures, sizes, strict=True)
    ]
    # Tokens are counted over the windows of all pictures.
    counts = [len(one.patches) * part.window**2 for one in each]
    before = np.cumsum([0, *counts[:-1]])
    order = [one.order + first for one, first in zip(each, before, strict=True)]
    return {
        part.to: Value(np.concatenate([one.patches for one in each])),
        part.positions: Value(np.concatenate([one.positions for one in each])),
        part.pictures: Value(np.concatenate([one.inside * number for number, one in enumerate(each, 1)])),
        part.order: Value(np.concatenate(order)),
        part.grids: Value(np.array([one.grid for one in each], np.int64)),
    }


def _windows(image: Image.Image, part: WindowPatches) -> _Windows:
    cell, merge, window = part.patch * part.merge, part.merge, part.window
    width, height = _whole_tokens(image.size, cell=cell, least=part.least, most=part.most)
    mean, std = (np.array(numbers, np.float32) for numbers in (part.mean, part.std))
    pixels: Floats = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32) / np.float32(255)
    pixels = (pixels - mean) / std
    rows, columns = height // cell, width // cell
    # Row and column of tokens, row and column in a token, colour, row and column in a patch.
    patches = pixels.reshape(rows, merge, part.patch, columns, merge, part.patch, 3).transpose(0, 3, 1, 4, 6, 2, 5)
    places = np.moveaxis(np.indices((rows * merge, columns * merge)), 0, -1).reshape(rows, merge, columns, merge, 2)
    numbered = _cut(np.arange(1, rows * columns + 1).reshape(rows, columns, 1), window).reshape(-1)
    return _Windows(
        _cut(patches.reshape(rows, columns, merge**2, -1), window),
        _cut(places.transpose(0, 2, 1, 3, 4).reshape(rows, columns, merge**2, 2), window),
        _cut(np.ones((rows, columns, merge**2, 1), np.int64), window)[..., 0],
        np.argsort(numbered, kind="stable")[len(numbered) - rows * columns :],
        (rows, columns),
    )


def _cut(array: Array, window: int) -> Array:
    """``(rows, columns, patches, ...)`` into windows, filled up with zeros: ``(windows, patches of a window, ...)``."""
    rows, columns, patches, numbers = *array.shape[:2], math.prod(array.shape[2:-1]), array.shape[-1]
    missing = [(0, -side % window) for side in (rows, columns)]
    filled = np.pad(array.reshape(rows, columns, patches, numbers), [*missing, (0, 0), (0, 0)])
    down, across = (side // window for side in filled.shape[:2])
    squares = filled.reshape(down, window, across, window, patches, numbers).transpose(0, 2, 1, 3, 4, 5)
    return np.ascontiguousarray(squares.reshape(down * across, window * window * patches, numbers))


def _whole_tokens(size: tuple[int, int], *, cell: int, least: int, most: int) -> tuple[int, int]:
    """Width and height in whole tokens, near to those of a picture and with pixels within the bounds."""
    width, height = size
    if max(size) > _LONGEST * min(size):
        raise ImageError(f"the picture has {width}x{height} pixels: expected a shape of at most {_LONGEST} to 1")
    wide, high = (round(side / cell) * cell for side in size)
    if wide * high > most:
        larger = math.sqrt(width * height / most)
        wide, high = (max(math.floor(side / larger / cell), 1) * cell for side in size)
    elif wide * high < least:
        smaller = math.sqrt(least / (width * height))
        wide, high = (math.ceil(side * smaller / cell) * cell for side in size)
    return wide, high


def picture_text_ids(part: PictureTextIds, context: Context) -> dict[str, Value]:
    """Places of the tokens of every text."""
    ids, mask = context.array(part.ids), context.array(part.mask).astype(bool)
    grids = [(int(rows), int(columns)) for rows, columns in context.array(part.grids)]
    places = np.zeros((*ids.shape, 3), np.int64)
    for row, (tokens, whole) in enumerate(zip(ids, mask, strict=True)):
        seen = tokens[whole] == part.mark
        if seen.sum() != sum(rows * columns for rows, columns in grids):
            got = f"has {seen.sum()} tokens in place of pictures in `{part.ids}`"
            raise RecipeError(context.stage, "given", got, "one for each token of the pictures")
        places[row, whole] = _places(seen, grids)
    return {part.to: Value(places, "texts")}


def _places(seen: NDArray[np.bool_], grids: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Places of a text's tokens, of which those of pictures are ``seen``."""
    places, begin, place = [], 0, 0
    for rows, columns in grids:
        first = begin + int(seen[begin:].argmax())
        places.append(_in_line(place, first - begin))
        place += first - begin
        places.append(np.indices((1, rows, columns)).reshape(3, -1).T + place)
        begin, place = first + rows * columns, place + max(rows, columns)
    return np.concatenate([*places, _in_line(place, len(seen) - begin)])


def _in_line(first: int, count: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(first, first + count)[:, None], 3, axis=1)
