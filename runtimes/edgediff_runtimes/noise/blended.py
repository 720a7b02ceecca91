"""Noise between that of two seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise.source import NoiseSource
    from edgediff_runtimes.tensors import Floats

_PARALLEL = 0.9995  # from this cosine on the arc is as good as a straight line, and its formula divides by nearly zero


def slerp(first: Floats, second: Floats, share: float) -> Floats:
    """The point at ``share`` of the arc from one array to the other, float32.

    Shoemake 1985, "Animating Rotation with Quaternion Curves", section 3.3, over all axes at once. Independent normals
    of many numbers stand nearly at a right angle, so that what comes out has variance 1 again; half of their sum would
    have 1/2, which a network takes for less noise than it is told of.

    Args:
        first: Of any shape, float32.
        second: Of the same shape.
        share: From 0, ``first`` itself, to 1, ``second`` itself.
    """
    if share in (0, 1):
        return second if share else first
    flat = [array.astype(np.float64).ravel() for array in (first, second)]
    lengths = [float(np.linalg.norm(array)) for array in flat]
    cosine = float(flat[0] @ flat[1]) / max(lengths[0] * lengths[1], np.finfo(np.float64).tiny)
    if abs(cosine) > _PARALLEL:
        weights = 1 - share, share
    else:
        angle = math.acos(cosine)
        weights = math.sin((1 - share) * angle) / math.sin(angle), math.sin(share * angle) / math.sin(angle)
    return np.float32(weights[0]) * first + np.float32(weights[1]) * second


@final
class BlendedNoise:
    """Two sources that draw at the same time: every draw of normals lies between theirs, see ``slerp``.

    A Brownian path, which samplers make of seeds alone, is the first source's.

    Raises:
        SettingError: When numbers are drawn that are no normals, between which there is nothing.
    """

    __slots__ = ("_first", "_second", "_share")

    def __init__(self, first: NoiseSource, second: NoiseSource, share: float) -> None:
        self._first, self._second, self._share = first, second, share

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the first source."""
        return self._first.seeds

    def copy(self) -> BlendedNoise:
        """Both sources at the same places of the same streams."""
        return BlendedNoise(self._first.copy(), self._second.copy(), self._share)

    def standard_normal(self, shape: Sequence[int]) -> Floats:
        """Normals of variance 1, for one picture."""
        return slerp(self._first.standard_normal(shape), self._second.standard_normal(shape), self._share)

    def uniform(self, shape: Sequence[int]) -> Floats:
        """Refused."""
        raise self._no_normals(shape)

    def exponential(self, shape: Sequence[int]) -> Floats:
        """Refused."""
        raise self._no_normals(shape)

    def _no_normals(self, shape: Sequence[int]) -> SettingError:
        return SettingError(
            "variation_strength",
            got=self._share,
            expected=f"0 or 1, because this sampler draws {math.prod(shape):,} numbers that are no normals",
        )
