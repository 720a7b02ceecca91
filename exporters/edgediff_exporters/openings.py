"""Places of a network's graph where something from outside can be added to its arrays, and the inputs for it.

A U-Net's encoder hands arrays to its decoder, past the middle: *skips*, in the order of the encoder. The decoder joins
its own array, at first that of the middle, with the last skip, then the last but one, and so on; these are the graph's
only joins of two arrays along their channels, by which they are found whatever the names.

A transformer's blocks change one array of tokens by adding to it: each sum is of that array and of a product, with the
block's gate. They are found from the graph's last normalisation backwards, whatever the names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, final

from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.tensors import TensorSpec

CHANNEL_AXES = (1, -3)
PAIR = 2
MAP_AXES = ("batch", "channels", "height", "width")
TOKEN_AXES = ("batch", "tokens", "channels")
# As ONNX and OpenVINO call them.
_NORMALISATIONS = ("LayerNormalization", "MVN")
_PRODUCTS = ("Mul", "Multiply")
# What may stand between a sum and what reads it: a part of the tokens is cut out, or float16 kept in its range.
_BETWEEN = ("Slice", "StridedSlice", "Clip", "Clamp", "Cast", "Convert")
_MOST_STEPS = 100  # between a graph's output and its last normalisation

V = TypeVar("V")


@final
@dataclass(frozen=True, slots=True)
class Skips:
    """Places of a U-Net.

    Attributes:
        count: How many skips it has.
    """

    count: int


@final
@dataclass(frozen=True, slots=True)
class Blocks:
    """Places of a transformer: behind each of its blocks.

    Attributes:
        sums: How often each block adds to the tokens.
    """

    sums: tuple[int, ...]


Places: TypeAlias = Skips | Blocks


@final
@dataclass(frozen=True, slots=True)
class Opening:
    """One place.

    Attributes:
        name: Of the graph's input.
        place: Which skip, or which block; None: the U-Net's middle.
        everywhere: Whether all that reads the array reads the sum, and not the decoder alone.
        axes: Of the array, by name.
    """

    name: str
    place: int | None
    everywhere: bool = False
    axes: tuple[str, ...] = MAP_AXES

    @property
    def spec(self) -> TensorSpec:
        """The graph's input: every axis may have any length, one among them, and then counts for all entries."""
        return TensorSpec(self.name, "float32", tuple(f"{self.name}.{axis}" for axis in self.axes))

    @property
    def added(self) -> str:
        """The name of the sum's operation."""
        return f"{self.name}.sum"


@final
@dataclass(frozen=True, slots=True)
class Made(Generic[V]):
    """The operation that makes an array of a graph.

    Attributes:
        op: What it does, as its format calls that.
        inputs: Of what it makes it.
        opened: Whether it is a sum that stands there for an input from outside.
    """

    op: str
    inputs: Sequence[V]
    opened: bool


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


def ends_of_blocks(output: V, made: Callable[[V], Made[V] | None], blocks: Blocks) -> list[V]:
    """The array that each block of a transformer leaves, without what was added to it from outside.

    Args:
        output: The graph's answer.
        made: What makes an array; None: nothing, it is an input or a constant.
        blocks: How often each of them adds to the tokens.

    Raises:
        ExportError: The graph adds to its tokens more often or less often.
    """
    value, tokens = output, None
    for _ in range(_MOST_STEPS):
        maker = made(value)
        if maker is None:
            break
        value = maker.inputs[0]
        if maker.op in _NORMALISATIONS:
            tokens = value
            break
    found: list[V] = []
    while tokens is not None:
        left, tokens = _before(tokens, made)
        if tokens is not None:
            found.insert(0, left)
    if len(found) != sum(blocks.sums):
        raise ExportError(
            f"the transformer's graph adds {len(found)} products to its tokens: expected {sum(blocks.sums)}, as its "
            "config says, to find what is added where"
        )
    return [found[sum(blocks.sums[: number + 1]) - 1] for number in range(len(blocks.sums))]


def _before(value: V, made: Callable[[V], Made[V] | None]) -> tuple[V, V | None]:
    """The tokens as a sum leaves them, and as they were before it; None: no sum made them."""
    maker = made(value)
    while maker is not None and (
        maker.opened or maker.op == "Concat"
    ):  # joined with those of the text, which are first
        value = maker.inputs[0 if maker.opened else -1]
        maker = made(value)
    left = value
    while maker is not None and maker.op in _BETWEEN:
        maker = made(maker.inputs[0])
    if maker is None or maker.op != "Add":
        return left, None
    gated = made(maker.inputs[1])
    return left, maker.inputs[0] if gated is not None and gated.op in _PRODUCTS else None
