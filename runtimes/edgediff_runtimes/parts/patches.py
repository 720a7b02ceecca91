"""Pictures to tokens and back."""

from __future__ import annotations

from edgediff_runtimes.parts.values import Context, Value, is_nothing, nothing
from edgediff_runtimes.recipe.declarations import Patches, Unpatches


def patches(part: Patches, context: Context) -> dict[str, Value]:
    """Squares of ``patch`` by ``patch`` entries become tokens; of nothing, nothing."""
    value, side = context.values[part.name], part.patch
    if is_nothing(value):
        return {part.to: nothing()}
    rows, channels, height, width = value.array.shape
    squares = value.array.reshape(rows, channels, height // side, side, width // side, side)
    tokens = squares.transpose(0, 2, 4, 1, 3, 5).reshape(rows, -1, channels * side * side)
    return {part.to: Value(tokens, value.rows)}


def unpatches(part: Unpatches, context: Context) -> dict[str, Value]:
    """Tokens become squares again, in the height and width of another value."""
    value, side = context.values[part.name], part.patch
    height, width = context.array(part.like).shape[2:]
    rows, _, numbers = value.array.shape
    squares = value.array.reshape(rows, height // side, width // side, numbers // side**2, side, side)
    return {part.to: Value(squares.transpose(0, 3, 1, 4, 2, 5).reshape(rows, -1, height, width), value.rows)}
