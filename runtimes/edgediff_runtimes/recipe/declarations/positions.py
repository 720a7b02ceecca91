"""Parts that say where tokens are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from edgediff_runtimes.recipe.part import READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class GridIds(Part):
    """Row and column of each token of a picture of the run's size, the same for all: ``(tokens, axes)``, float32.

    Attributes:
        to: The value.
        axes: Numbers per token; those that are neither row nor column are zero.
        pixels: Pixels along one side of a token; of ``like``, entries.
        row: The axis of the row; the column's is the next.
        first: What stands at the first axis where that is not the row's: which picture it is, where there are several.
        like: A value whose last two axes are the height and width that count in place of the run's; None: none.
        within: Rows and columns are scaled so that the picture fits into the middle of a square with sides of so many
            (Li et al. 2024, "Hunyuan-DiT", section 2.1, as diffusers counts); None: they are counted from zero.
        centred: They are counted from the middle: the first of n is n // 2 - n.
    """

    ALWAYS: ClassVar = ("width", "height")
    to: str = field(metadata=WRITE)
    axes: int
    pixels: int
    row: int = 1
    first: float = 0.0
    like: str | None = field(default=None, metadata=READ)
    within: int | None = None
    centred: bool = False


@final
@dataclass(frozen=True, slots=True)
class TextIds(Part):
    """Places of the tokens of a text, the same for all: ``(tokens, axes)``, float32.

    Attributes:
        to: The value.
        like: A value whose second axis is the tokens.
        axes: Numbers per token.
        count: The axis that counts them; None: all are zero.
    """

    to: str = field(metadata=WRITE)
    like: str = field(metadata=READ)
    axes: int
    count: int | None = None
