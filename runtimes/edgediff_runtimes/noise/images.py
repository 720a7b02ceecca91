"""One source per image of a batch, so that every image can be drawn again alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from edgediff_runtimes.noise.source import NoiseSource
    from edgediff_runtimes.tensors import Floats


@final
class PerImageNoise:
    """Sources side by side: a draw of shape (batch, ...) takes (1, ...) from each, in order."""

    __slots__ = ("_sources",)

    def __init__(self, sources: Sequence[NoiseSource]) -> None:
        if not sources:
            raise SettingError("sources", got=[], expected="one noise source for each image of the batch")
        self._sources = tuple(sources)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of all images."""
        return tuple(seed for source in self._sources for seed in source.seeds)

    def copy(self) -> PerImageNoise:
        """Sources at the same places of the same streams."""
        return PerImageNoise([source.copy() for source in self._sources])

    def standard_normal(self, shape: Sequence[int]) -> Floats:
        """Draw normals for every image from its own source.

        Raises:
            SettingError: the batch has another number of images than there are sources.
        """
        return self._rows(shape, lambda source, row: source.standard_normal(row))

    def uniform(self, shape: Sequence[int]) -> Floats:
        """Draw numbers from [0, 1) for every image from its own source.

        Raises:
            SettingError: the batch has another number of images than there are sources.
        """
        return self._rows(shape, lambda source, row: source.uniform(row))

    def exponential(self, shape: Sequence[int]) -> Floats:
        """Draw exponentials of mean 1 for every image from its own source.

        Raises:
            SettingError: the batch has another number of images than there are sources.
        """
        return self._rows(shape, lambda source, row: source.exponential(row))

    def _rows(self, shape: Sequence[int], draw: Callable[[NoiseSource, Sequence[int]], Floats]) -> Floats:
        if not shape or shape[0] != len(self._sources):
            raise SettingError("rng", got=tuple(shape), expected=f"a batch of {len(self._sources)} images")
        row = (1, *shape[1:])
        return np.concatenate([draw(source, row) for source in self._sources])
