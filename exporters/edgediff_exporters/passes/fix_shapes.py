"""An ONNX graph of any shape as graphs of fixed ones, which share its weights.

1. Weights go into one file beside the graphs, whatever their size.
2. The axes of the inputs get their lengths, and what follows from them is worked out: no ``Shape`` is left.
3. No weight is folded: parameters have no value meanwhile, and integers beside quantised ones are left alone.
"""

from __future__ import annotations

import ast
import hashlib
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx_ir as ir

from edgediff_exporters.graph_file import DATA_NAME, WrittenFile, write_graph
from edgediff_exporters.passes import simplify
from edgediff_runtimes.bundle import sha256_of
from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.tensors import TensorSpec

# Types of the numbers that shapes are computed with; of floats a single one, and the scales of a resize.
_COUNTS = (ir.DataType.INT64, ir.DataType.INT32, ir.DataType.BOOL)
_SHAPES = ("Shape", "Size")
# What the lengths of a traced graph's axes are made of.
_SIGNS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def fix_shapes(
    graph: Path, inputs: Sequence[TensorSpec], asked: Mapping[str, Mapping[str, int]]
) -> tuple[WrittenFile, ...]:
    """Write a graph anew for each of several lengths of its axes; the graph itself is gone then.

    Args:
        graph: The ``.onnx`` file.
        inputs: What it takes, with the names of its axes.
        asked: The length of every axis, by the name of the file that is written beside ``graph``.

    Returns:
        The files, those of ``asked`` first, in their order, and then the weights.

    Raises:
        ExportError: An axis of an output has no fixed length.
    """
    place = graph.parent
    if not (place / DATA_NAME).exists():
        write_graph(ir.load(graph), place, on_bytes=lambda _done, _total: None, inline_bytes=0)
    written = {name: _fixed(graph, inputs, axes) for name, axes in asked.items()}
    graph.unlink()
    for name, data in written.items():
        (place / name).write_bytes(data)
    files = [WrittenFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in written.items()]
    weights = place / DATA_NAME
    if weights.exists():
        files.append(WrittenFile(DATA_NAME, weights.stat().st_size, sha256_of(weights)))
    return tuple(files)


def _fixed(graph: Path, inputs: Sequence[TensorSpec], axes: Mapping[str, int]) -> bytes:
    model = ir.load(graph)
    named = {spec.name: spec.shape for spec in inputs}
    for value in model.graph.inputs:
        shape = named[str(value.name)]
        value.shape = ir.Shape([axes[axis] if isinstance(axis, str) else axis for axis in shape])
    for node in model.graph:
        for output in node.outputs:
            output.shape = _shape(output.shape, axes)
    hidden = {value: value.const_value for value in model.graph.initializers.values() if not _counts(value)}
    for value in hidden:
        value.const_value = None
    simplify(model, {})
    for value, tensor in hidden.items():
        value.const_value = tensor
    for value in model.graph.outputs:
        if value.shape is None or not all(isinstance(axis, int) for axis in value.shape):
            raise ExportError(f"`{value.name}` of `{graph.parent.name}` keeps an axis of any length: got {value.shape}")
    if left := [node for node in model.graph if node.op_type in _SHAPES]:
        raise ExportError(f"`{graph.parent.name}` still asks for a shape in `{left[0].name}`, which is fixed")
    data: bytes = ir.to_proto(model).SerializeToString(deterministic=True)
    return data


def _shape(shape: ir.Shape | None, axes: Mapping[str, int]) -> ir.Shape | None:
    """A shape in terms of named axes as numbers; None, so that it is worked out, where it says something else."""
    if shape is None:
        return None
    lengths = [axis if isinstance(axis, int) else _length(axis.value, axes) for axis in shape]
    known = [length for length in lengths if length is not None]
    return ir.Shape(known) if len(known) == len(lengths) else None


def _length(text: str | None, axes: Mapping[str, int]) -> int | None:
    """``8*height``, or ``((height - 1)//2) + 1``, as a number."""
    try:
        return _evaluated(ast.parse(str(text), mode="eval").body, axes)
    except (SyntaxError, KeyError):
        return None


def _evaluated(term: ast.expr, axes: Mapping[str, int]) -> int:
    match term:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return axes[name]
        case ast.BinOp(left=left, op=sign, right=right):
            return _SIGNS[type(sign)](_evaluated(left, axes), _evaluated(right, axes))
    raise KeyError(ast.dump(term))


def _counts(value: ir.Value) -> bool:
    """Whether shapes may be computed with it."""
    tensor = value.const_value
    readers = {node.op_type for node in value.consumers()}
    if tensor is None or "DequantizeLinear" in readers:
        return False
    return tensor.dtype in _COUNTS or tensor.size == 1 or "Resize" in readers
