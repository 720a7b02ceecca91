"""Parts for language models that look at pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from edgediff_runtimes.recipe.part import READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class WindowPatches(Part):
    """The caller's pictures, cut as a vision transformer takes them that attends within windows.

    Each is resized to the size of the run, with Lanczos, and then, bicubic, to the nearest whole tokens whose pixels
    lie between two bounds (Bai et al. 2025, "Qwen2.5-VL Technical Report", section 2.1). Windows are all of one length:
    what of one lies beyond the picture is zeros.

    Attributes:
        to: The patches: ``(windows, patches, 3 * patch * patch)``, float32; in a window token by token, in a token row
            by row, in a patch colours are slowest and columns fastest.
        positions: Row and column of each in its picture: ``(windows, patches, 2)``, int64.
        pictures: Which picture each is of, from 1; 0: of none: ``(windows, patches)``, int64.
        order: Where each token is among those of all windows, picture by picture and row by row: ``(tokens,)``, int64.
        grids: Rows and columns of tokens: ``(pictures, 2)``, int64.
        patch: Pixels along one side of a patch.
        merge: Patches along one side of a token.
        window: Tokens along one side of a window.
        least: Pixels that a picture has at least.
        most: And at most.
        mean: Of red, green and blue in [0, 1], which is taken away.
        std: What the rest is divided by.
        area: Each is first resized to about so many pixels in its own shape in place of the run's size; None: it is
            not.
        rounded: Both sides are then multiples of so many pixels.
    """

    ALWAYS: ClassVar = ("width", "height")
    to: str = field(metadata=WRITE)
    positions: str = field(metadata=WRITE)
    pictures: str = field(metadata=WRITE)
    order: str = field(metadata=WRITE)
    grids: str = field(metadata=WRITE)
    patch: int
    merge: int
    window: int
    least: int
    most: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    area: int | None = None
    rounded: int = 1


@final
@dataclass(frozen=True, slots=True)
class PictureTextIds(Part):
    """Places of the tokens of texts among which pictures stand: ``(texts, tokens, 3)``, int64.

    A token of a text is at one place along all three axes; the tokens of a picture are at the next place along the
    first, and at their row and column from there along the others; the text goes on behind the larger of its sides.
    Padding is at 0 (Wang et al. 2024, "Qwen2-VL", section 2.1, M-RoPE).

    Attributes:
        ids: The tokens.
        mask: 1 for tokens, 0 for padding.
        grids: Rows and columns of each picture, as ``WindowPatches`` writes them.
        to: The places.
        mark: The id of the tokens that stand for a picture's.
    """

    ids: str = field(metadata=READ)
    mask: str = field(metadata=READ)
    grids: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    mark: int
