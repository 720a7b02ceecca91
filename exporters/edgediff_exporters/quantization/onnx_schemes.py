"""How the layers of an ONNX graph are rounded, for each precision that rounds activations too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from onnxruntime.quantization import QuantType


@final
@dataclass(frozen=True, slots=True)
class Scheme:
    """A way of rounding layers to whole numbers.

    Attributes:
        activations: What activations become.
        largest: The magnitude that a channel's largest weight is rounded to.
        operators: Which operators are layers.
        results: Those whose result is rounded too.
        everywhere: Also the layers at both ends of the graph and those with one row for a whole picture.
        whole_range: Activations keep the whole range that was seen, where else the one with the least squared error.
        half_rest: All other matrices are stored in float16, where else in int8 or, where they are layers, in float16.
    """

    activations: QuantType
    largest: int
    operators: tuple[str, ...]
    results: tuple[str, ...]
    everywhere: bool = False
    whole_range: bool = False
    half_rest: bool = False


_INT8 = Scheme(QuantType.QUInt8, 64, ("Conv", "MatMul"), ("Conv",))  # 64: of 7 bits, as `reduce_range` has it
SCHEMES = {
    "int8": _INT8,
    "mixed": _INT8,
    # Of 16 bits a step is so fine that no layer must be spared and no far number cut off. Neural processors take a
    # layer as one of whole numbers where its result is one too.
    "a16w8": Scheme(
        QuantType.QUInt16,
        127,
        ("Conv", "MatMul", "Gemm"),
        ("Conv", "MatMul", "Gemm"),
        everywhere=True,
        whole_range=True,
        half_rest=True,
    ),
}
