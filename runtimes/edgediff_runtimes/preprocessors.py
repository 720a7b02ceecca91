"""Pictures made ready to steer a network: what it was taught to follow, drawn from an ordinary picture.

``canny``: edges, as Canny 1986, "A Computational Approach to Edge Detection", finds them: the picture in grey is
smoothed with a Gaussian, its gradient is taken (Sobel's operators), of the gradient only ridges are kept, and of these
those that are strong or are connected with strong ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgediff_runtimes.tensors import Floats

_SIGMA = 1.0  # pixels
# Magnitudes of Sobel's gradient of grey in [0, 255]; a step from black to white has 1020 before it is smoothed.
_WEAK, _STRONG = 100.0, 200.0
_SECTORS = ((0, 1), (1, 1), (1, 0), (1, -1))  # rows and columns on along the gradient, every 45 degrees


def canny(image: Image.Image, *, weak: float = _WEAK, strong: float = _STRONG, sigma: float = _SIGMA) -> Image.Image:
    """White lines, one pixel wide, on black, where the picture has edges.

    Args:
        image: RGB.
        weak: The least magnitude of the gradient, Sobel's, of grey in [0, 255], of an edge that continues a strong one.
        strong: The least magnitude where an edge may begin.
        sigma: Of the Gaussian, in pixels; 0: the picture is not smoothed.

    Returns:
        RGB of the same size.
    """
    grey = np.asarray(image.convert("L"), np.float32)
    down, right = _gradient(_smoothed(grey, sigma))
    magnitude = np.hypot(down, right)
    edges = _connected(_ridges(magnitude, down, right) & (magnitude >= weak), magnitude >= strong)
    return Image.fromarray(np.where(edges, 255, 0).astype(np.uint8)).convert("RGB")


# By the name that a caller says.
PREPROCESSORS: Mapping[str, Callable[[Image.Image], Image.Image]] = {"canny": canny}


def _smoothed(grey: Floats, sigma: float) -> Floats:
    """Convolved with a Gaussian that is cut off at three deviations; at the rim the outermost pixel goes on."""
    if sigma <= 0:
        return grey
    reach = max(1, round(3 * sigma))
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    kernel = np.exp(-np.square(offsets) / (2 * sigma * sigma))
    kernel /= kernel.sum()
    for axis in (0, 1):
        widths = [(0, 0), (0, 0)]
        widths[axis] = (reach, reach)
        padded = np.pad(grey, widths, mode="edge")
        length = grey.shape[axis]
        shifted = (np.take(padded, range(place, place + length), axis=axis) for place in range(2 * reach + 1))
        grey = np.sum([weight * part for weight, part in zip(kernel, shifted, strict=True)], axis=0, dtype=np.float32)
    return grey


def _gradient(grey: Floats) -> tuple[Floats, Floats]:
    """Sobel's gradient, down and to the right."""
    padded = np.pad(grey, 1, mode="edge")
    height, width = grey.shape

    def at(row: int, column: int) -> Floats:
        shifted: Floats = padded[row : row + height, column : column + width]
        return shifted

    down = at(2, 0) + 2 * at(2, 1) + at(2, 2) - at(0, 0) - 2 * at(0, 1) - at(0, 2)
    right = at(0, 2) + 2 * at(1, 2) + at(2, 2) - at(0, 0) - 2 * at(1, 0) - at(2, 0)
    return down, right


def _ridges(magnitude: Floats, down: Floats, right: Floats) -> NDArray[np.bool_]:
    """Where the magnitude is not below that of the next pixel along the gradient, and above that of the last one."""
    height, width = magnitude.shape
    padded = np.pad(magnitude, 1)
    sector = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    ridges = np.zeros(magnitude.shape, bool)
    for place, (rows, columns) in enumerate(_SECTORS):
        ahead, behind = (padded[1 + sign * rows :, 1 + sign * columns :][:height, :width] for sign in (1, -1))
        ridges |= (sector == place) & (magnitude >= ahead) & (magnitude > behind)
    return ridges


def _connected(kept: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those that are strong, and those that touch one of these, and so on."""
    height, width = kept.shape
    found = np.zeros((height + 2, width + 2), bool)
    open_ = np.pad(kept, 1)
    rows, columns = np.nonzero(open_ & np.pad(strong, 1))
    while len(rows):
        found[rows, columns] = True
        open_[rows, columns] = False
        near = np.unique(np.concatenate([rows * (width + 2) + columns + step for step in _around(width + 2)]))
        near = near[open_.reshape(-1)[near]]
        rows, columns = np.divmod(near, width + 2)
    return found[1:-1, 1:-1]


def _around(width: int) -> tuple[int, ...]:
    """How far the eight neighbours of a pixel are, in the memory of an array of so many columns."""
    return tuple(row * width + column for row in (-1, 0, 1) for column in (-1, 0, 1) if row or column)
