"""Store a parameter in fewer bytes than the graph computes with, and widen it in front of what uses it.

1. ``float16``: a matrix is rounded to half precision, and a ``Cast`` to float32 follows.
2. ``int8``: a matrix becomes whole numbers with one scale per output channel, and a ``DequantizeLinear`` follows. The
   output channel is the axis over which the consumer does not sum, wherever it lies once the matrix is stored
   transposed. A table of embeddings has one scale per row. A matrix that no consumer multiplies or looks rows up in
   (one that is added, say) stays as it is.
3. ``int4``: products by a matrix become ``MatMulNBits`` (domain ``com.microsoft``), which multiplies with numbers of 4
   bits as they are stored. All else is stored in int8: no engine has kernels for less.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
import torch
from onnx_ir.tensor_adapters import TorchTensor, to_torch_dtype

from edgediff_exporters.passes.rounding import BLOCK, BlockRounding, ChannelRounding
from edgediff_runtimes.precisions import Storage

_MATRIX = 2  # axes from which on a tensor counts as a matrix: biases and norms are too small to matter
_BIAS = 2  # the place among a Gemm's inputs of what is added
_DOMAIN = "com.microsoft"


def attach_stored(model: ir.Model, value: ir.Value, tensor: torch.Tensor, storage: Storage) -> None:
    """Give an initialiser its value in the form asked for, in place. Nothing is read before it is written.

    Args:
        model: The graph.
        value: An initialiser of it without a value.
        tensor: The value, laid out as the initialiser is, of any float dtype if it is one of floats.
        storage: How matrices of float32 are stored.
    """
    dtype = value.dtype or ir.DataType.FLOAT
    matrix = dtype == ir.DataType.FLOAT and tensor.ndim >= _MATRIX
    axis = _channel_axis(value) if matrix and storage in ("int8", "int4") else None
    if matrix and storage == "int4" and _only_multiplied_by(value):
        _store_in_blocks(model, value, BlockRounding(tensor.T))
    elif matrix and storage == "float16":
        stored = _initialiser(model, f"{value.name}.half", ir.DataType.FLOAT16, tensor.shape)
        _put_behind(model, value, ir.node("Cast", [stored], attributes={"to": dtype}))
        stored.const_value = _lazy(stored, tensor.half)
    elif axis is not None:
        rounded = ChannelRounding(tensor, axis)
        stored = _initialiser(model, f"{value.name}.int8", ir.DataType.INT8, tensor.shape)
        scale = _initialiser(model, f"{value.name}.scale", dtype, tensor.shape[axis : axis + 1])
        _put_behind(model, value, ir.node("DequantizeLinear", [stored, scale], attributes={"axis": axis}))
        stored.const_value = _lazy(stored, rounded.values)
        scale.const_value = _lazy(scale, lambda: rounded.scales)
    else:
        value.const_value = _lazy(value, lambda: tensor.to(to_torch_dtype(dtype)))


def _only_multiplied_by(value: ir.Value) -> bool:
    """Whether a matrix is the right-hand side of products, and nothing else."""
    return len(value.shape or ()) == _MATRIX and all(
        use.node.op_type == "MatMul" and use.idx == 1 for use in value.uses()
    )


def _store_in_blocks(model: ir.Model, value: ir.Value, rounding: BlockRounding) -> None:
    outputs, summed = rounding.matrix.shape
    blocks = -(-summed // BLOCK)
    made = (
        ("int4", ir.DataType.UINT8, (outputs, blocks, BLOCK // 2), rounding.values),
        ("scale", ir.DataType.FLOAT, (outputs, blocks), rounding.scales),
        ("zero", ir.DataType.UINT8, (outputs, -(-blocks // 2)), rounding.zeros),
    )
    stored = []
    for word, dtype, shape, make in made:
        stored.append(_initialiser(model, f"{value.name}.{word}", dtype, torch.Size(shape)))
        stored[-1].const_value = _lazy(stored[-1], make)
    sizes = {"K": summed, "N": outputs, "bits": 4, "block_size": BLOCK}
    for use in list(value.uses()):
        product = use.node
        inputs = [product.inputs[0], *stored]
        node = ir.node("MatMulNBits", inputs, domain=_DOMAIN, attributes=sizes, name=product.name)
        out, given = node.outputs[0], product.outputs[0]
        out.shape, out.type = given.shape, given.type
        given.replace_all_uses_with(out, replace_graph_outputs=True)
        out.name = given.name
        model.graph.insert_before(product, node)
        model.graph.remove(product, safe=True)
    del model.graph.initializers[str(value.name)]
    model.graph.opset_imports[_DOMAIN] = 1


def _channel_axis(value: ir.Value) -> int | None:
    """Where the output channels of a matrix lie; None where nothing that uses it has any."""
    axes = [_axis_of_use(use.node, use.idx, len(value.shape or ())) for use in value.uses()]
    return next((axis for axis in axes if axis is not None), None)


def _axis_of_use(node: ir.Node, place: int, axes: int) -> int | None:
    if node.op_type == "Gemm" and place < _BIAS:
        return 1 - place if node.attributes.get_int("transB" if place else "transA", 0) else place
    if node.op_type == "Gather":  # takes whole rows of its first input; its second holds their numbers
        return None if place else node.attributes.get_int("axis", 0)
    return {("Conv", 1): 0, ("ConvTranspose", 1): 1, ("MatMul", 0): axes - 2, ("MatMul", 1): axes - 1}.get(
        (node.op_type, place)
    )


def _initialiser(model: ir.Model, name: str, dtype: ir.DataType, shape: torch.Size) -> ir.Value:
    value = ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(shape))
    model.graph.initializers[name] = value
    return value


def _put_behind(model: ir.Model, value: ir.Value, node: ir.Node) -> None:
    """Let a node make what the initialiser held."""
    node.name = f"{value.name}.{node.op_type.lower()}"
    out = node.outputs[0]
    out.name, out.shape, out.type = f"{value.name}.full", value.shape, value.type
    value.replace_all_uses_with(out)
    model.graph.insert_before(model.graph[0], node)
    del model.graph.initializers[str(value.name)]


def _lazy(value: ir.Value, make: Callable[[], torch.Tensor]) -> ir.LazyTensor:
    return ir.LazyTensor(
        lambda: TorchTensor(make().contiguous(), name=value.name),
        dtype=value.dtype or ir.DataType.FLOAT,
        shape=value.shape or ir.Shape(()),
        name=value.name,
        cache=False,  # the values live only while they are written
    )
