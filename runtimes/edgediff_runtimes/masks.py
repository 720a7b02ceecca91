"""Masks: which pixels of a picture are drawn anew, read from files and turned into arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from PIL import Image

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.images import ImageSource, read_upright

if TYPE_CHECKING:
    from edgediff_runtimes.recipe import Space
    from edgediff_runtimes.tensors import Floats

MaskSource: TypeAlias = ImageSource | Literal["alpha"]
ALPHA = "alpha"  # in place of a mask: the picture's own transparency says it
_HALF = 0.5
_OPAQUE = 255


def read_mask(source: MaskSource, image: ImageSource) -> Image.Image:
    """A mask in grey or in colour, white where the picture is drawn anew; other shades count by half of white.

    Args:
        source: A PIL image or a path; white is drawn anew, or what is transparent, where anything is. Or ``alpha``:
            what is transparent in the picture itself.
        image: The picture.

    Raises:
        SettingError: It is not of the picture's size, or there is nothing to draw.
        ImageError: It cannot be read.
    """
    size = read_upright(image).size
    own = isinstance(source, str) and source == ALPHA
    given = read_upright(image if own else source)
    transparent = _transparency(given)
    if own and transparent is None:
        raise SettingError("mask", got=ALPHA, expected="a picture with transparent parts, which are drawn anew")
    mask = transparent or (given if given.mode == "L" else given.convert("RGB"))
    if mask.size != size:
        got, expected = _shown(mask.size), f"a mask of {_shown(size)}, the size of the picture"
        raise SettingError("mask", got=got, expected=expected)
    return mask


def check_mask(mask: Image.Image) -> None:
    """Refuse a mask that leaves nothing to draw.

    Raises:
        SettingError: No pixel of it is white.
    """
    if not (np.asarray(mask.convert("L")) > _OPAQUE // 2).any():
        raise SettingError(
            "mask",
            got="black all over",
            expected="white where the picture is to be drawn anew",
            hint="a mask that has black and white the other way round is to be inverted first",
        )


def check_small_mask(mask: Image.Image, space: Space, *, width: int, height: int, folded: bool = False) -> None:
    """Refuse a mask of which nothing is left where the sampler works.

    Args:
        mask: As a run is given it.
        space: Of the stage.
        width: Of the run, in pixels.
        height: Likewise.
        folded: The network is shown all pixels of the mask, see ``recipe.declarations.Mask``.

    Raises:
        SettingError: No entry of a sample is drawn anew.
    """
    white = mask_to_array(mask, width=width, height=height)
    expected = f"white that is left of it at {width}x{height} pixels"
    if not folded:
        _, rows, columns = space.shape(width=width, height=height)
        white = at_sample_size(white, rows=rows, columns=columns)
        expected = f"white on the upper left pixel of a square of {space.factor}, which the model draws as one"
    if not white.any():
        raise SettingError(
            "mask",
            got="white on too few pixels",
            expected=expected,
            hint="`crop_mask` draws a small part at full size",
        )


def mask_to_array(mask: Image.Image, *, width: int, height: int) -> Floats:
    """A mask in the size of a run, with Lanczos: ``(1, 1, height, width)``, 1 for what is drawn anew, else 0."""
    grey = mask.resize((width, height), Image.Resampling.LANCZOS).convert("L")
    white = np.asarray(grey, np.float32) / _OPAQUE >= _HALF
    return white.astype(np.float32)[None, None]


def at_sample_size(white: Floats, *, rows: int, columns: int) -> Floats:
    """A mask in the size of a sample: each of its entries is the pixel at the entry's upper left."""
    height, width = white.shape[2:]
    down, across = np.arange(rows) * height // rows, np.arange(columns) * width // columns
    small: Floats = white[:, :, down[:, None], across]
    return small


def _transparency(image: Image.Image) -> Image.Image | None:
    """White where a picture is transparent; None where it is opaque all over, as editors save masks too."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return None
    alpha = np.asarray(image.convert("RGBA"))[..., 3]
    return None if (alpha == _OPAQUE).all() else Image.fromarray(_OPAQUE - alpha)


def _shown(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]} pixels"
