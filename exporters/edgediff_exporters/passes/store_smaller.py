"""Store a parameter in fewer bytes than the graph computes with, and widen it in front of what uses it.

1. ``float16``: a matrix is rounded to half precision, and a ``Cast`` to float32 follows.
2. ``int8``: a matrix becomes whole numbers from -127 to 127 with one float32 scale per output channel, and a
   ``DequantizeLinear`` follows. Symmetric: zero stays zero, and there is no zero point. A channel's scale is its
   largest magnitude / 127, so nothing is clipped and no weight moves by more than half a step (Krishnamoorthi 2018,
   "Quantizing deep convolutional networks for efficient inference: A whitepaper", section 2.2).
3. The output channel is the axis over which the consumer does not sum, wherever it lies once the matrix is stored
   transposed. A table of embeddings has one scale per row.
4. At ``int8`` a matrix that no consumer multiplies or looks rows up in (one that is added, say) stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import onnx_ir as ir
import torch
from onnx_ir.tensor_adapters import TorchTensor, to_torch_dtype

from edgediff_runtimes.precisions import Storage

_MATRIX = 2  # axes from which on a tensor counts as a matrix: biases and norms are too small to matter
_BIAS = 2  # the place among a Gemm's inputs of what is added
_LARGEST = 127  # not -128: a symmetric range needs no zero point
_CHUNK_BYTES = 16 << 20  # of float32: rounding a table of embeddings at once would take three more copies of it


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
    axis = _channel_axis(value) if matrix and storage == "int8" else None
    if matrix and storage == "float16":
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


@final
@dataclass(frozen=True)
class ChannelRounding:
    """A matrix as int8 with a scale per channel. Scales are found once; the numbers whenever they are asked for.

    Attributes:
        matrix: The values, of any float dtype.
        axis: The channels' axis.
    """

    matrix: torch.Tensor
    axis: int

    @cached_property
    def scales(self) -> torch.Tensor:
        """float32, (channels,). A channel of zeros has the scale 1."""
        largest = torch.cat([part.abs().flatten(1).amax(1) for part in self._parts()])
        return torch.where(largest > 0, largest / _LARGEST, torch.ones(()))

    def values(self) -> torch.Tensor:
        """int8, shaped as the matrix: matrix ≈ values · scales along the axis."""
        rounded = torch.empty(self.matrix.movedim(self.axis, 0).shape, dtype=torch.int8)
        start = 0
        for part in self._parts():
            scales = self.scales[start : start + len(part)].reshape(-1, *[1] * (part.ndim - 1))
            rounded[start : start + len(part)] = (part / scales).round_().clamp_(-_LARGEST, _LARGEST)
            start += len(part)
        return rounded.movedim(0, self.axis)

    def _parts(self) -> Iterator[torch.Tensor]:
        """The matrix in float32, channels first, some at a time."""
        channels = self.matrix.movedim(self.axis, 0)
        count = max(1, _CHUNK_BYTES // (4 * channels[0].numel()))
        for start in range(0, len(channels), count):
            yield channels[start : start + count].float()


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
