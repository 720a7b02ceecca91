"""Places of a U-Net's graph where something from outside can be added to its arrays, and the inputs for it.

A U-Net's encoder hands arrays to its decoder, past the middle: *skips*, in the order of the encoder. The decoder joins
its own array, at first that of the middle, with the last skip, then the last but one, and so on; these are the graph's
only joins of two arrays along their channels, by which they are found whatever the names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.tensors import TensorSpec

CHANNEL_AXES = (1, -3)
PAIR = 2
_AXES = ("batch", "channels", "height", "width")


@final
@dataclass(frozen=True, slots=True)
class Opening:
    """One place.

    Attributes:
        name: Of the graph's input.
        skip: Which skip; None: the middle.
        everywhere: Whether all that reads the array reads the sum, and not the decoder alone.
    """

    name: str
    skip: int | None
    everywhere: bool = False

    @property
    def spec(self) -> TensorSpec:
        """The graph's input: every axis may have any length, one among them, and then counts for all entries."""
        return TensorSpec(self.name, "float32", tuple(f"{self.name}.{axis}" for axis in _AXES))

    @property
    def added(self) -> str:
        """The name of the sum's operation."""
        return f"{self.name}.sum"


def check_joins(joins: Sequence[object], skips: int) -> None:
    """Whether a graph has as many joins as its config has skips.

    Raises:
        ExportError: It has others.
    """
    if len(joins) != skips:
        raise ExportError(
            f"the U-Net's graph joins {len(joins)} pairs of arrays along their channels: expected {skips}, as its "
            "config says, to find what is added where"
        )
