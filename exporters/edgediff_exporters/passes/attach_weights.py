"""Give each parameter of the graph its value, to be read from the mapped checkpoint only when it is written.

1. A parameter takes the checkpoint's tensor of its name, converted to its dtype when it is read.
2. A parameter that is used only by ``Transpose`` nodes of one permutation is stored transposed and the nodes go: the
   engine would otherwise keep a second copy of it.
3. With ``half``, a matrix is stored as float16 and a ``Cast`` to float32 follows: half the size, the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
import torch
from onnx_ir.tensor_adapters import TorchTensor, to_torch_dtype

from edgediff_runtimes.errors import SourceError

_MATRIX = 2  # axes from which on a tensor counts as a matrix: biases and norms are too small to matter


def attach_weights(model: ir.Model, tensors: Mapping[str, torch.Tensor], *, half: bool, where: str) -> None:
    """Attach values in place.

    Args:
        model: The graph; its valueless initialisers are the parameters.
        tensors: Values by parameter name.
        half: Store matrices as float16 in front of a ``Cast``.
        where: The component, for errors.

    Raises:
        SourceError: A parameter is missing or has another number of elements.
    """
    for value in list(model.graph.initializers.values()):
        if value.const_value is not None:
            continue
        name, shape = str(value.name), _lengths(value)
        tensor = tensors.get(name)
        if tensor is None:
            raise SourceError(f"the weights of `{where}` are not complete: expected a tensor `{name}`")
        if tensor.numel() != torch.Size(shape).numel():
            raise SourceError(
                f"the tensor `{name}` of `{where}` has shape {tuple(tensor.shape)}: its config says {tuple(shape)}"
            )
        # A 1x1 convolution of an old checkpoint is a linear layer today: same values, fewer axes.
        target, permutation = _without_transposes(model, value, tensor.reshape(shape))
        dtype = target.dtype or ir.DataType.FLOAT
        if half and dtype == ir.DataType.FLOAT and len(shape) >= _MATRIX:
            target, dtype = _behind_cast(model, target), ir.DataType.FLOAT16
        target.const_value = _lazy(str(target.name), tensor.reshape(shape), permutation, dtype)


def _lengths(value: ir.Value) -> list[int]:
    return [axis for axis in (value.shape or ()) if isinstance(axis, int)]


def _without_transposes(
    model: ir.Model, value: ir.Value, tensor: torch.Tensor
) -> tuple[ir.Value, tuple[int, ...] | None]:
    consumers = value.consumers()
    permutations = {_permutation(node, tensor.ndim) for node in consumers}
    if len(permutations) != 1 or (permutation := permutations.pop()) is None:
        return value, None
    stored = ir.Value(
        name=f"{value.name}.transposed",
        type=value.type,
        shape=ir.Shape([tensor.shape[axis] for axis in permutation]),
    )
    for node in list(consumers):
        node.outputs[0].replace_all_uses_with(stored)
        model.graph.remove(node, safe=True)
    del model.graph.initializers[str(value.name)]
    model.graph.initializers[str(stored.name)] = stored
    return stored, permutation


def _permutation(node: ir.Node, axes: int) -> tuple[int, ...] | None:
    if node.op_type != "Transpose":
        return None
    return tuple(node.attributes["perm"].as_ints()) if "perm" in node.attributes else tuple(reversed(range(axes)))


def _behind_cast(model: ir.Model, value: ir.Value) -> ir.Value:
    stored = ir.Value(name=f"{value.name}.half", type=ir.TensorType(ir.DataType.FLOAT16), shape=value.shape)
    cast = ir.node("Cast", [stored], attributes={"to": ir.DataType.FLOAT}, name=f"{value.name}.cast")
    out = cast.outputs[0]
    out.name, out.shape, out.type = f"{value.name}.full", value.shape, value.type
    value.replace_all_uses_with(out)
    model.graph.insert_before(model.graph[0], cast)
    del model.graph.initializers[str(value.name)]
    model.graph.initializers[str(stored.name)] = stored
    return stored


def _lazy(name: str, tensor: torch.Tensor, permutation: tuple[int, ...] | None, dtype: ir.DataType) -> ir.LazyTensor:
    stored = tensor if permutation is None else tensor.permute(permutation)
    target = to_torch_dtype(dtype)
    # Not cached: the values live only while they are written.
    return ir.LazyTensor(
        lambda: TorchTensor(stored.to(target).contiguous(), name=name),
        dtype=dtype,
        shape=ir.Shape(stored.shape),
        name=name,
        cache=False,
    )
