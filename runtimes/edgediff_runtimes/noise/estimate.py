"""How noisy a picture is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgediff_runtimes.tensors import Floats

_MEDIAN = 0.6744897501960817  # of the absolute value of a normal of variance 1


def noise_level_of(pixels: Floats) -> float:
    """The standard deviation of the noise in a picture, in units of the picture's own numbers.

    Donoho and Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage", section 2.2: the median absolute value
    of the finest wavelet coefficients over 0.6745, here the diagonal ones of Haar's wavelets over squares of two by
    two, in which a picture itself leaves little. Too low where noise was cut off, as around white and black.

    Args:
        pixels: ``(..., height, width)``, each at least 2; a last row or column beyond an even number is left out.
    """
    rows, columns = (side // 2 * 2 for side in pixels.shape[-2:])
    corners = [pixels[..., row:rows:2, column:columns:2] for row in (0, 1) for column in (0, 1)]
    diagonal = (corners[0] - corners[1] - corners[2] + corners[3]) / 2  # of variance 1 where those of the noise are 1
    return float(np.median(np.abs(diagonal)) / _MEDIAN)
