"""How far two arrays are from each other.

All figures in dB are kept between -120 and 120: two equal arrays have 120, so that every figure is a number that JSON
has and that can be averaged and compared. A PSNR of 120 dB or more is out of reach of two 8-bit pictures that differ,
up to five million pixels; an SNR of 120 dB is an error of one in a million, which is float32's own rounding.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgediff_runtimes.tensors import Array

MAX_DB = 120.0

# Wang et al. 2004, section III-B.
_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03
_PEAK = 255.0


def psnr_db(a: Array, b: Array) -> float:
    """Peak signal-to-noise ratio of two pictures, ``10 log10(255² / mean (a - b)²)``, in dB.

    Args:
        a: A picture, uint8, ``(height, width, channels)``; the mean is over all its numbers.
        b: Another of the same shape.

    Returns:
        In dB, at most ``MAX_DB``, which equal pictures have.

    Raises:
        ValueError: The shapes differ, or these are not pictures of 8 bits.
    """
    _check_pictures(a, b)
    return _decibel(_PEAK**2, float(np.mean(np.square(a.astype(np.float64) - b))))


def ssim(a: Array, b: Array) -> float:
    """Structural similarity of two pictures, from -1 to 1: 1 is equal.

    Wang, Bovik, Sheikh and Simoncelli 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity",
    eq. 13, with the paper's window (a Gaussian of 11x11 and deviation 1.5, of unit sum, eqs. 14 to 16) and constants
    (K1 = 0.01, K2 = 0.03, L = 255). Borders: as in the authors' program, only places whose whole window lies inside the
    picture count, so nothing is padded. A picture with a side below 11 pixels has its window cut to that side. Each
    channel for itself, then their mean; computed in float64.

    Args:
        a: A picture, uint8, ``(height, width, channels)``.
        b: Another of the same shape.

    Raises:
        ValueError: The shapes differ, or these are not pictures of 8 bits.
    """
    _check_pictures(a, b)
    return float(np.mean([_ssim_of_channel(a[..., i], b[..., i]) for i in range(a.shape[2])]))


def snr_db(reference: Array, candidate: Array) -> float:
    """Signal-to-noise ratio ``10 log10(sum reference² / sum (reference - candidate)²)`` in dB, summed in float64.

    Args:
        reference: What it should be, of any shape.
        candidate: What it is, of the same shape.

    Returns:
        Between ``-MAX_DB`` and ``MAX_DB``, which equal arrays have.

    Raises:
        ValueError: The shapes differ.
    """
    return energies_db(*energies(reference, candidate))


def energies(reference: Array, candidate: Array) -> tuple[float, float]:
    """Signal and noise of ``snr_db`` before they are divided, so that those of several arrays can be added.

    Raises:
        ValueError: The shapes differ.
    """
    if reference.shape != candidate.shape:
        raise ValueError(f"arrays of shape {reference.shape} and {candidate.shape}: expected one shape")
    wanted = reference.astype(np.float64)
    return float(np.sum(np.square(wanted))), float(np.sum(np.square(wanted - candidate)))


def energies_db(signal: float, noise: float) -> float:
    """The signal-to-noise ratio of added ``energies`` in dB."""
    return _decibel(signal, noise)


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return MAX_DB
    if signal == 0 or not math.isfinite(noise):
        return -MAX_DB
    return min(max(10 * math.log10(signal / noise), -MAX_DB), MAX_DB)


def _check_pictures(a: Array, b: Array) -> None:
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim != 3:  # noqa: PLR2004 - height, width, channels
            raise ValueError(f"{picture.dtype} of shape {picture.shape}: expected uint8 (height, width, channels)")
    if a.shape != b.shape:
        raise ValueError(f"pictures of shape {a.shape} and {b.shape}: expected one shape")


def _ssim_of_channel(x: Array, y: Array) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    c1, c2 = (_K1 * _PEAK) ** 2, (_K2 * _PEAK) ** 2
    mu_x, mu_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mu_x**2, _blurred(y * y) - mu_y**2
    covariance = _blurred(x * y) - mu_x * mu_y
    similarity = (2 * mu_x * mu_y + c1) * (2 * covariance + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
    return float(np.mean(similarity))


def _blurred(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted mean in every window that lies inside ``x``; the Gaussian is one of rows times one of columns."""
    for axis in (0, 1):
        window = _gaussian(min(_WINDOW, x.shape[axis]))
        x = sliding_window_view(x, len(window), axis=axis) @ window
    return x


def _gaussian(size: int) -> NDArray[np.float64]:
    distance = np.arange(size) - (size - 1) / 2
    weights: NDArray[np.float64] = np.exp(-np.square(distance) / (2 * _SIGMA**2))
    weights /= weights.sum()
    return weights
