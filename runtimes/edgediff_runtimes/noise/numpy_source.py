"""NumPy's own generator, for those who need no torch seeds."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.tensors import Floats


@final
class NumpyNoise:
    """The stream of ``numpy.random.default_rng(seed)`` (PCG64)."""

    __slots__ = ("_generator", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generator = np.random.default_rng(seed & 0xFFFFFFFFFFFFFFFF)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed, as given."""
        return (self._seed,)

    def copy(self) -> NumpyNoise:
        """A source at the same place of the same stream."""
        other = NumpyNoise(self._seed)
        other._generator = copy.deepcopy(self._generator)
        return other

    def standard_normal(self, shape: Sequence[int]) -> Floats:
        """Draw normals of mean 0 and variance 1, float32."""
        return self._generator.standard_normal(tuple(shape), dtype=np.float32)

    def uniform(self, shape: Sequence[int]) -> Floats:
        """Draw numbers from [0, 1), float32."""
        return self._generator.random(tuple(shape), dtype=np.float32)

    def exponential(self, shape: Sequence[int]) -> Floats:
        """Draw exponentials of mean 1, float32."""
        return self._generator.standard_exponential(tuple(shape), dtype=np.float32)
