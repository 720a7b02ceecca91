"""Floating-point operations of a graph, counted from the shapes that ONNX Runtime saw while it ran it once.

Counted are the multiplications and additions of convolutions, matrix products and fused attention: two for each pair
of numbers that is multiplied and added. Not counted are element-wise operations, norms, softmax and einsum, so the
count is a lower bound; in diffusion networks it is nearly all. The graph is run as it stands in its file, without
fusion or weight rearrangement, so that the count belongs to the model and not to an engine's tricks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgediff.bench.operators import profiled_nodes
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.tensors import Array

_Shapes: TypeAlias = list[tuple[int, ...]]


def _convolution(weight: int) -> Callable[[_Shapes, tuple[int, ...]], int]:
    """Each output value is a dot product over one filter; the filter's shape already says how many groups there are."""
    return lambda inputs, output: 2 * math.prod(output) * math.prod(inputs[weight][1:])


def _matrix_product(inputs: _Shapes, output: tuple[int, ...]) -> int:
    return 2 * math.prod(output) * inputs[0][-1]


def _gemm(inputs: _Shapes, output: tuple[int, ...]) -> int:
    return 2 * math.prod(output) * (math.prod(inputs[0]) // output[0])  # either operand may be transposed


def _transposed_convolution(inputs: _Shapes, output: tuple[int, ...]) -> int:  # noqa: ARG001 - as the others
    return 2 * math.prod(inputs[0]) * math.prod(inputs[1][1:])


def _attention(inputs: _Shapes, output: tuple[int, ...]) -> int:
    """Scores and what they weigh, of all heads side by side: (pictures, tokens, heads * channels)."""
    query, key = inputs[:2]
    return 2 * math.prod(output[:-1]) * key[1] * (query[-1] + output[-1])


_RULES: dict[str, Callable[[_Shapes, tuple[int, ...]], int]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "MatMul": _matrix_product,
    "MatMulInteger": _matrix_product,
    "QLinearMatMul": _matrix_product,
    "MatMulNBits": _matrix_product,
    "Gemm": _gemm,
    "MultiHeadAttention": _attention,
}
UNCOUNTED = ("Einsum", "Attention", "GroupQueryAttention", "LSTM", "GRU")


def exported_nodes(graph: Path, feeds: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Run a graph once as it stands in its file, and return every node with the shapes it was computed with.

    Args:
        graph: An ``.onnx`` file.
        feeds: One array per input; only their shapes matter, as long as the graph can compute with their values.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")
    return profiled_nodes(graph, feeds, options)


def count_in(nodes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Count the operations of nodes that ran.

    Returns:
        ``flops`` of one call, ``by_op``, the ``dtype`` that most of them ran in (float32 where the processor has no
        half precision arithmetic, whatever the file says), and ``uncounted``: how many nodes
        there are of kinds that do multiply matrices but whose operations are not counted.
    """
    by_op: Counter[str] = Counter()
    by_dtype: Counter[str] = Counter()
    uncounted: Counter[str] = Counter()
    for node in nodes:
        op = node.get("op_name", "")
        if op in _RULES and "input_type_shape" in node:
            inputs = [tuple(shape) for entry in node["input_type_shape"] for shape in entry.values()]
            dtype, output = next(iter(node["output_type_shape"][0].items()))
            flops = _RULES[op](inputs, tuple(output))
            by_op[op] += flops
            by_dtype[dtype] += flops
        elif op in UNCOUNTED:
            uncounted[op] += 1
    dtype = by_dtype.most_common(1)[0][0] if by_dtype else "float"
    return {"flops": by_op.total(), "by_op": dict(by_op), "dtype": _numpy_name(dtype), "uncounted": dict(uncounted)}


def _numpy_name(dtype: str) -> str:
    return {"float": "float32", "double": "float64"}.get(dtype, dtype)


def example_feeds(feeds: Mapping[str, tuple[str, tuple[int, ...]]]) -> dict[str, Array]:
    """Arrays of given dtypes and shapes that any network can compute with: normal numbers, and ones for integers."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for name, (dtype, shape) in feeds.items():
        is_float = np.dtype(dtype).kind == "f"
        arrays[name] = (generator.standard_normal(shape) if is_float else np.ones(shape)).astype(dtype)
    return arrays
