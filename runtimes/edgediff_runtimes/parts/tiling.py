"""A graph over pictures computed tile by tile: the memory of one tile, at the price of what tiles cannot see.

Tiles lie on a grid and overlap. Next to its inner borders a tile lacks what convolutions would see beyond, so its
outermost entries are dropped; over the rest of the overlap the result goes over from one tile to the other linearly.
An autoencoder's group norms and attention look at the whole picture, so that what tiles give differs from what the
whole gives; each norm reads what the norms before it gave, so that no second pass makes them equal. Where every entry
depends on near ones alone, as in ``AutoencoderTiny``, nothing but the borders differs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import final

import numpy as np

from edgediff_runtimes.tensors import Array, Floats

OVERLAP = 8  # entries of the sample that neighbours share: 64 pixels where an entry is 8
DROPPED = 2  # of these, next to a tile's own border; with less the grid is seen (benchmarks/README.md, "Tiles")
LEAST = 3 * OVERLAP  # entries along a tile: of smaller ones more than half would be computed again for a neighbour


def tiled(
    compute: Callable[[Array], dict[str, Array]],
    array: Array,
    *,
    rows: int,
    columns: int,
    side: int,
    fits: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[str, Array]:
    """What ``compute`` gives for a picture, tile by tile.

    Args:
        compute: Outputs by name, of shape ``(batch, channels, ..., height, width)`` like what they are made of.
        array: ``(batch, channels, ..., height, width)``; height and width are multiples of ``rows`` and ``columns``.
        rows: Entries of the sample from top to bottom.
        columns: From left to right.
        side: Entries along one side of a tile at most, at least ``LEAST``.
        fits: What the outputs are put together within, see ``fitting``.

    Returns:
        The outputs for the whole array, float32.
    """
    down, across = Axis.cut(rows, side), Axis.cut(columns, side)
    if len(down.starts) == len(across.starts) == 1:
        return compute(array)
    scales = array.shape[-2] // rows, array.shape[-1] // columns
    sums: dict[str, Floats] = {}
    for row in range(len(down.starts)):
        for column in range(len(across.starts)):
            span, others = down.span(row, scales[0]), across.span(column, scales[1])
            given = compute(np.ascontiguousarray(array[..., span, others]))
            with fits():
                for name, output in given.items():
                    grown = output.shape[-2] // down.tile, output.shape[-1] // across.tile
                    if name not in sums:
                        shape = *output.shape[:-2], rows * grown[0], columns * grown[1]
                        sums[name] = np.zeros(shape, np.float32)
                    shares = down.shares(row, grown[0])[:, None] * across.shares(column, grown[1])
                    sums[name][..., down.span(row, grown[0]), across.span(column, grown[1])] += output * shares
    return {**sums}


@final
@dataclass(frozen=True, slots=True)
class Axis:
    """Tiles along an axis, all of one length, so that an engine sees one shape.

    Attributes:
        starts: Where each begins, in entries of the sample.
        tile: How long each is.
    """

    starts: tuple[int, ...]
    tile: int

    @classmethod
    def cut(cls, length: int, side: int) -> Axis:
        """As few tiles as ``side`` allows, and no longer than needed."""
        if length <= side:
            return cls((0,), length)
        count = -(-(length - OVERLAP) // (side - OVERLAP))
        tile = -(-(length + (count - 1) * OVERLAP) // count)
        return cls(tuple(int(start) for start in np.linspace(0, length - tile, count).round()), tile)

    def span(self, index: int, scale: int) -> slice:
        """Where a tile lies in an array with ``scale`` entries for one of the sample."""
        return slice(self.starts[index] * scale, (self.starts[index] + self.tile) * scale)

    def shares(self, index: int, scale: int) -> Floats:
        """How much of each entry is this tile's; the shares of all tiles sum to one everywhere."""
        shares = np.ones(self.tile * scale, np.float32)
        if index:
            shared = self.starts[index - 1] + self.tile - self.starts[index]
            shares[: shared * scale] = _rising(shared, scale)
        if index + 1 < len(self.starts):
            shared = self.starts[index] + self.tile - self.starts[index + 1]
            shares[-shared * scale :] = 1 - _rising(shared, scale)
        return shares


def _rising(shared: int, scale: int) -> Floats:
    """From 0 to 1 over what two tiles share, each without the entries next to its own border."""
    places = (np.arange(shared * scale) + 0.5) / scale
    return ((places - DROPPED) / (shared - 2 * DROPPED)).clip(0, 1).astype(np.float32)
