"""How much of a written graph is quantised, counted in the graph itself and not in what was asked for.

An operator's weights are quantised where a ``DequantizeLinear`` of stored numbers stands in front of one of its inputs,
its activations where a ``DequantizeLinear`` of computed ones does: the form that ONNX gives quantisation. The weights
of ONNX Runtime's ``MatMulNBits`` are quantised by its definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from edgediff_runtimes.bundle import OperatorCount

_MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul", "MatMulNBits")
_TABLE = 2  # axes of a table of embeddings
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_SAME_NUMBERS = ("Cast", "Identity", "Reshape", "Transpose", "Unsqueeze")


def count_operators(path: Path) -> dict[str, OperatorCount]:
    """The operators of a graph that have weights, or could, by type.

    Args:
        path: The ``.onnx`` file. Weights beside it are not read.
    """
    graph = onnx.load(path, load_external_data=False).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    counts: dict[str, OperatorCount] = {}
    for node in graph.node:
        origins = [_origin(name, makers) for name in node.input]
        if node.op_type not in _MULTIPLYING and not (node.op_type == "Gather" and _is_table(origins[0], stored)):
            continue
        seen = counts.get(node.op_type, OperatorCount(0, 0, 0))
        sources = [origin.input[0] for origin in origins if isinstance(origin, onnx.NodeProto)]
        counts[node.op_type] = OperatorCount(
            seen.total + 1,
            seen.quantised_weights + (node.op_type == "MatMulNBits" or any(name in stored for name in sources)),
            seen.quantised_activations + any(name not in stored for name in sources),
        )
    return dict(sorted(counts.items()))


def _origin(name: str, makers: Mapping[str, onnx.NodeProto]) -> onnx.NodeProto | str:
    """The ``DequantizeLinear`` that a value comes from, or else the first value with the same numbers."""
    node = makers.get(name)
    while node is not None and node.op_type in _SAME_NUMBERS:
        name = node.input[0]
        node = makers.get(name)
    return node if node is not None and node.op_type == "DequantizeLinear" else name


def _is_table(origin: onnx.NodeProto | str, stored: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a Gather looks rows of weights up, and not axes of a shape."""
    if isinstance(origin, onnx.NodeProto):
        return origin.input[0] in stored
    tensor = stored.get(origin)
    return tensor is not None and len(tensor.dims) >= _TABLE and tensor.data_type in _FLOATS
