"""The arrays that cross the seams: their type, and what a graph says of the ones it takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float32]

DTYPES = ("float32", "float16", "float64", "int64", "int32", "bool", "uint8", "int8")


@final
@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a graph.

    Attributes:
        name: The name the graph gives it.
        dtype: A NumPy dtype name, one of ``DTYPES``.
        shape: One entry per axis: its length, or the name of a dynamic axis (``batch``, ``height``, ``sequence`` ...).
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"
