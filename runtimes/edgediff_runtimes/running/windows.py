"""A network that looks at a large sample through overlapping windows of the size that it was made for.

Bar-Tal et al. 2023, "MultiDiffusion: Fusing Diffusion Paths for Controlled Image Generation", equation 5: at every call
the predictions of all windows become one, a weighted mean where they overlap. Here a window weighs less towards its own
border, so that none is seen in the result. The sampler sees one sample and one prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from edgediff_runtimes.parts import Value
from edgediff_runtimes.tensors import Array, Floats

Ask: TypeAlias = Callable[[Floats, Mapping[str, Value]], Floats]

SHARED = 2  # a window shares one part in so many of its side with the next: docs/enlarging.md, "Seams"
_WITH_SIDES = 4  # axes: rows, channels, height, width; what has fewer lies over no sample


@final
@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one size over a sample.

    Attributes:
        rows: Where each row of windows begins.
        columns: Where each column begins.
        height: Of a window, in entries of the sample.
        width: Likewise.
        sample: Height and width of the sample.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    height: int
    width: int
    sample: tuple[int, int]

    @classmethod
    def over(cls, sample: tuple[int, int], window: tuple[int, int], *, step: int) -> Windows:
        """As few as share what they must with their neighbours.

        Args:
            sample: Height and width of the sample.
            window: Likewise of a window, no larger.
            step: Windows begin at multiples of it.
        """
        rows, columns = (_starts(*pair, step=step) for pair in zip(sample, window, strict=True))
        return cls(rows, columns, *window, sample)

    def predict(self, ask: Ask, x: Floats, conditions: Mapping[str, Value]) -> Floats:
        """The prediction for a whole sample.

        Args:
            ask: Gives the prediction for a window of the sample, with the conditions of that window.
            x: ``(batch, channels, ..., height, width)``.
            conditions: By name; those that lie over the sample, in its size or a multiple of it, are cut like it.

        Returns:
            Of the sample's height and width, float32.
        """
        weights = _weights(self.height)[:, None] * _weights(self.width)
        total = np.zeros(self.sample, np.float32)
        sums: Floats | None = None
        for row in self.rows:
            for column in self.columns:
                place = slice(row, row + self.height), slice(column, column + self.width)
                part = ask(np.ascontiguousarray(x[(..., *place)]), self._cut(conditions, row, column))
                if sums is None:
                    sums = np.zeros((*part.shape[:-2], *self.sample), np.float32)
                sums[(..., *place)] += part * weights
                total[place] += weights
        return x if sums is None else sums / total

    def _cut(self, conditions: Mapping[str, Value], row: int, column: int) -> dict[str, Value]:
        return {name: Value(self._under(value.array, row, column), value.rows) for name, value in conditions.items()}

    def _under(self, array: Array, row: int, column: int) -> Array:
        """What of an array lies under a window; all of it where it does not lie over the sample."""
        height, width = self.sample
        scale = array.shape[-2] // height if array.ndim >= _WITH_SIDES else 0
        if scale == 0 or array.shape[-2:] != (scale * height, scale * width):
            return array
        rows, columns = (
            slice(start * scale, (start + side) * scale) for start, side in ((row, self.height), (column, self.width))
        )
        return np.ascontiguousarray(array[..., rows, columns])


def _starts(length: int, side: int, *, step: int) -> tuple[int, ...]:
    if length <= side:
        return (0,)
    count = 1 + -(-(length - side) // max(side - side // SHARED, 1))
    places = np.linspace(0, (length - side) // step, count).round()
    return tuple(int(place) * step for place in places)


def _weights(side: int) -> Floats:
    """From little at both borders to one at the middle."""
    ramp = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side / 2)
    weights: Floats = np.minimum(ramp, ramp[::-1])
    return weights
