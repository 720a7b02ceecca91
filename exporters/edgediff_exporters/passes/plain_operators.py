"""Operators that stand for several plainer ones, written out as those: for compilers that know the plain ones alone.

1. ``GroupNormalization`` becomes an ``InstanceNormalization`` of each group as if it were a channel, and a scale and a
   sum for each channel.
2. ``MultiHeadAttention`` (domain ``com.microsoft``, see ``attention``) becomes two products and a softmax. The queries
   are scaled before the first product, whose sums then stay within what half precision holds.
3. ``Einsum`` of two tensors becomes the product that it stands for.
4. ``MatMul`` with weights of whole numbers that have a scale per output channel becomes ``Gemm`` with these weights
   transposed, which engines do when they load the graph. On Qualcomm's emulator a ``MatMul`` of activations of 16 bits
   is as rough as one of 8 (45 dB, where a ``Gemm`` has 72), and a ``Gemm`` is too unless its weights are transposed.
5. ``LayerNormalization`` whose result is rounded to whole numbers gives its scale and its sum to operators of their
   own. On that emulator a product behind one is 2 dB from right otherwise, and 68 so.

Numbers change by rounding alone. The graph must have fixed shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias, final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common

from edgediff_runtimes.errors import ExportError

_HEADS_FIRST = (0, 2, 1, 3)  # of (pictures, tokens, heads, channels)
_CHANNELS_BEFORE_TOKENS = (0, 2, 3, 1)
_PAIR = 2
_ROUNDS, _WIDENS = "QuantizeLinear", "DequantizeLinear"


@final
class PlainOperators(ir.passes.InPlacePass):
    """The pass. An operator with more than what edgediff's export writes is left as it is."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """See the module."""
        modified = False
        for node in list(model.graph):
            write = _WRITERS.get((node.domain, node.op_type))
            made = None if write is None else write(_Writer(model.graph, node))
            if made is not None:
                node.outputs[0].replace_all_uses_with(made, replace_graph_outputs=True)
                made.name, made.shape, made.type = node.outputs[0].name, node.outputs[0].shape, node.outputs[0].type
                node.outputs[0].name = None
                model.graph.remove(node, safe=True)
                modified = True
        common.RemoveUnusedNodesPass()(model)
        return ir.passes.PassResult(model, modified)


@final
class _Writer:
    """Puts nodes in front of the one that they stand for."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.node = node
        self._graph = graph
        self._count = 0

    def __call__(self, op: str, *inputs: ir.Value | None, **attributes: float | Sequence[int]) -> ir.Value:
        """A node of the standard's, and what it gives."""
        made = ir.node(op, inputs, attributes=attributes, name=self._name(op.lower()))
        self._graph.insert_before(self.node, made)
        (value,) = made.outputs
        value.name = made.name
        value.type = None if inputs[0] is None else inputs[0].type
        return value

    def constant(
        self, numbers: Sequence[float] | NDArray[np.float64] | float, dtype: ir.DataType = ir.DataType.INT64
    ) -> ir.Value:
        """An initialiser."""
        name = self._name("constant")
        array = np.asarray(numbers, dtype.numpy())
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(dtype))
        value.const_value = ir.tensor(array, name=name)
        self._graph.register_initializer(value)
        return value

    def reshaped(self, value: ir.Value, *shape: int) -> ir.Value:
        """A tensor of the same numbers."""
        return self("Reshape", value, self.constant(shape))

    def shape_of(self, value: ir.Value) -> tuple[int, ...]:
        """A shape.

        Raises:
            ExportError: It is not fixed, or not known.
        """
        if value.shape is None or not value.shape.is_static():
            raise ExportError(f"`{self.node.name}` cannot be written out: the shape of `{value.name}` is not fixed")
        return tuple(value.shape.numpy())

    def dtype_of(self, value: ir.Value) -> ir.DataType:
        """A type of floats; that of the graph where it is not told."""
        return value.dtype or ir.DataType.FLOAT

    def _name(self, word: str) -> str:
        self._count += 1
        return f"{self.node.name}.{word}_{self._count}"


_Write: TypeAlias = Callable[[_Writer], ir.Value | None]


def _group_norm(write: _Writer) -> ir.Value | None:
    node = write.node
    x, scale, bias = node.inputs
    if x is None or scale is None or bias is None:
        return None
    shape, groups = write.shape_of(x), node.attributes.get_int("num_groups", 1)
    dtype = write.dtype_of(x)
    ones, zeros = (write.constant([number] * groups, dtype) for number in (1.0, 0.0))
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    grouped = write.reshaped(x, shape[0], groups, math.prod(shape[1:]) // groups)
    even = write.reshaped(write("InstanceNormalization", grouped, ones, zeros, epsilon=epsilon), *shape)
    axes = [shape[1], *[1] * (len(shape) - _PAIR)]
    return write("Add", write("Mul", even, write.reshaped(scale, *axes)), write.reshaped(bias, *axes))


def _attention(write: _Writer) -> ir.Value | None:
    node = write.node
    query, key, value, *others = node.inputs
    if query is None or key is None or value is None or any(other is not None for other in others):
        return None
    heads = node.attributes.get_int("num_heads")
    channels = write.shape_of(query)[-1] // heads
    scale = node.attributes.get_float("scale", 0.0) or 1 / math.sqrt(channels)  # 0 is how its schema says "as usual"

    def split(tensor: ir.Value, order: Sequence[int]) -> ir.Value:
        batch, tokens, width = write.shape_of(tensor)
        return write("Transpose", write.reshaped(tensor, batch, tokens, heads, width // heads), perm=order)

    scaled = write("Mul", split(query, _HEADS_FIRST), write.constant(scale, write.dtype_of(query)))
    scores = write("MatMul", scaled, split(key, _CHANNELS_BEFORE_TOKENS))
    mixed = write("MatMul", write("Softmax", scores, axis=-1), split(value, _HEADS_FIRST))
    batch, tokens, _ = write.shape_of(query)
    joined = write("Transpose", mixed, perm=_HEADS_FIRST)
    return write.reshaped(joined, batch, tokens, write.shape_of(value)[-1])


def _einsum(write: _Writer) -> ir.Value | None:
    """``bts,bcs->bct``: axes of both and of the result lead, one is summed over, and each tensor has one of its own."""
    node = write.node
    terms, arrow, result = node.attributes.get_string("equation", "").replace(" ", "").partition("->")
    labels = terms.split(",")
    if (
        not arrow
        or len(labels) != _PAIR
        or "." in terms
        or any(len({*text}) != len(text) for text in [*labels, result])
    ):
        return None
    batch = [label for label in result if all(label in text for text in labels)]
    own = [label for label in result if label not in batch]
    summed = [label for label in labels[0] if label in labels[1] and label not in result]
    if len(own) != _PAIR or len(summed) != 1 or [*result] != [*batch, *own]:
        return None
    # The tensor whose own axis comes first in the result is the left one.
    order = (0, 1) if own[0] in labels[0] else (1, 0)
    factors = []
    for place, wanted in zip(order, ([*batch, own[0], *summed], [*batch, *summed, own[1]]), strict=True):
        tensor, text = node.inputs[place], labels[place]
        if tensor is None or sorted(text) != sorted(wanted):
            return None
        perm = [text.index(label) for label in wanted]
        factors.append(tensor if perm == sorted(perm) else write("Transpose", tensor, perm=perm))
    return write("MatMul", *factors)


def _layer_norm(write: _Writer) -> ir.Value | None:
    node = write.node
    x, scale, bias = (*node.inputs, None)[:3]
    if x is None or scale is None or bias is None:
        return None
    if not any(use.node.op_type == _ROUNDS for use in node.outputs[0].uses()):
        return None
    shape, dtype = write.shape_of(scale), write.dtype_of(x)
    ones, zeros = (write.constant(np.full(shape, number), dtype) for number in (1.0, 0.0))
    attributes = {name: each.value for name, each in node.attributes.items() if name in ("axis", "epsilon")}
    return write("Add", write("Mul", write("LayerNormalization", x, ones, zeros, **attributes), scale), bias)


def _product(write: _Writer) -> ir.Value | None:
    node = write.node
    left, weight = node.inputs
    stored = None if weight is None else _widening_by_channel(weight)
    if left is None or weight is None or stored is None or len(write.shape_of(left)) <= _PAIR:
        return None
    widens, reader = left.producer(), [use.node for use in node.outputs[0].uses()]
    if widens is None or widens.op_type != _WIDENS or len(reader) != 1 or reader[0].op_type != _ROUNDS:
        return None
    *rows, channels = write.shape_of(left)

    def rounded(value: ir.Value, parameters: Sequence[ir.Value | None]) -> ir.Value:
        """The tensor of two axes, as what it was made of or is made into is: the same whole numbers."""
        whole = write(_ROUNDS, value, *parameters)
        whole.type = None if parameters[1] is None else parameters[1].type
        wide = write(_WIDENS, whole, *parameters)
        wide.type = value.type
        return wide

    flat = rounded(write.reshaped(left, math.prod(rows), channels), widens.inputs[1:])
    whole, *parameters = stored.inputs
    swapped = write(_WIDENS, write("Transpose", whole, perm=(1, 0)), *parameters, axis=0)
    swapped.type = weight.type
    result = rounded(write("Gemm", flat, swapped, transB=1), reader[0].inputs[1:])
    return write.reshaped(result, *rows, write.shape_of(weight)[-1])


def _widening_by_channel(weight: ir.Value) -> ir.Node | None:
    maker = weight.producer()
    scale = None if maker is None or maker.op_type != _WIDENS else maker.inputs[1]
    return maker if scale is not None and scale.shape is not None and len(scale.shape) == 1 else None


_WRITERS: dict[tuple[str, str], _Write] = {
    ("", "GroupNormalization"): _group_norm,
    ("com.microsoft", "MultiHeadAttention"): _attention,
    ("", "Einsum"): _einsum,
    ("", "LayerNormalization"): _layer_norm,
    ("", "MatMul"): _product,
}
