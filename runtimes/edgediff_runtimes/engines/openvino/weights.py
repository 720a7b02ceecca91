"""The parameters of an OpenVINO graph, and the graph with other values in their place.

OpenVINO's passes name constants anew where they fold them, so the manifest says which operation reads a parameter; an
ONNX graph keeps its names. What lies between the constant and the operation tells how it is stored: a conversion of
floats; whole numbers, less a zero point, times a scale; in four bits, reshaped from blocks to rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.engines.openvino.failures import failure
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.engines.openvino.reading import read_model
from edgediff_runtimes.tensors import Array, Floats
from edgediff_runtimes.weights.change import WeightChange
from edgediff_runtimes.weights.onnx_weights import onnx_weights
from edgediff_runtimes.weights.schemes import Blocks, Divided, Plain, Scaled, StoredWeight, StoredWeights

_READS = {"MatMul": 1, "Convolution": 1, "Gather": 0}  # the input that an operation's weights go into
_COMPRESSED = "_compressed"  # what OpenVINO puts behind the name of a constant that it rounded
# What hands numbers on as they are, so that a rounding in front of it is one behind it.
HANDS_ON = ("Concat", "Interpolate", "Reshape", "Slice", "Split", "Squeeze", "StridedSlice", "Transpose", "Unsqueeze")
_SMOOTHED = "/nncf_smooth_quant"  # likewise NNCF, of a multiplication that evens out activations
_MATRIX = 2  # axes
_INTEGERS = ("i8", "u8")
_FOUR_BITS = "u4"


def read(graph: Graph) -> StoredWeights:
    """The parameters of a graph, by their names in the module.

    Raises:
        EngineError: It cannot be read.
    """
    try:
        model = read_model(ov.Core(), graph.path)
    except Exception as error:  # RuntimeError today; what it may raise is not documented
        raise failure(f"cannot read `{graph.role}`", error) from error
    return stored_in(model, graph.weights)


def changed(model: ov.Model, graph: Graph, change: WeightChange) -> None:
    """Put other weights into a model that was just read.

    Raises:
        AdapterError: The change does not fit.
    """
    constants = {node.get_friendly_name(): node for node in model.get_ops() if node.get_type_name() == "Constant"}
    stored = onnx_weights(graph.path)[1] if graph.format == "onnx" else stored_in(model, graph.weights)
    for name, array in change.tensors(stored):
        old = constants[name]
        if array.dtype == np.float16 and old.get_element_type().is_integral():
            _halve(old, array)
            continue
        kind, shape = old.get_element_type(), old.get_output_shape(0)
        if kind.get_type_name() == _FOUR_BITS:
            new = ov.op.Constant(ov.Tensor(array, shape, kind), shared_memory=False)
        else:
            new = ov.op.Constant(np.ascontiguousarray(array), shared_memory=True)
        new.set_friendly_name(name)
        for reader in old.output(0).get_target_inputs():
            if tuple(new.get_output_shape(0)) != tuple(shape):
                _lengthen(reader.get_node(), len(array), than=shape[0])
            reader.replace_source_output(new.output(0))
    model.validate_nodes_and_infer_types()


def _halve(numbers: Any, values: Array) -> None:  # noqa: ANN401 - a library without types
    """Put float16 in the place of whole numbers and the scales that they are multiplied by."""
    product = numbers
    while product.get_type_name() != "Multiply":
        product = next(iter(product.output(0).get_target_inputs())).get_node()
    half = ov.op.Constant(np.ascontiguousarray(values), shared_memory=True)
    half.set_friendly_name(numbers.get_friendly_name())
    kind = product.get_output_element_type(0)
    product.output(0).replace((half if kind == ov.Type.f16 else ov.opset13.convert(half, kind)).output(0))


def _lengthen(reader: Any, rows: int, *, than: int) -> None:  # noqa: ANN401 - a library without types
    """Let a ``Reshape``, which OpenVINO puts behind the scales of an ONNX graph, take so many rows more."""
    if reader.get_type_name() == "Reshape":
        target = _source(reader, 1)
        lengths = np.array([rows if length == than else length for length in target.get_data().tolist()], np.int64)
        reader.input(1).replace_source_output(ov.opset13.constant(lengths).output(0))


def stored_in(model: ov.Model, names: Mapping[str, str]) -> dict[str, StoredWeight]:
    """The parameters in a model of OpenVINO's format.

    Args:
        model: The model.
        names: The operation that reads each parameter; of others, constants that are called as they are.
    """
    operations = {node.get_friendly_name(): node for node in model.get_ops()}
    constants = _Constants({name: node for name, node in operations.items() if node.get_type_name() == "Constant"})
    found: dict[str, StoredWeight] = {}
    for name, constant in constants.nodes.items():
        readers = constant.output(0).get_target_inputs()
        if name.endswith((".weight", f".weight{_COMPRESSED}")) and len(readers) == 1:
            operation = _reader(next(iter(readers)).get_node())
            one = None if operation is None else _stored(operation, constants)
            if one is not None:
                found[name.removesuffix(_COMPRESSED)] = one
    for parameter, name in names.items():
        operation = operations.get(name)
        if operation is not None and (one := _stored(operation, constants)) is not None:
            found[parameter] = one
    return found


@final
@dataclass(frozen=True, slots=True)
class _Constants:
    """The values of constants by name."""

    nodes: Mapping[str, Any]

    def __call__(self, name: str) -> Array:
        data: Array = self.nodes[name].data
        return data


def _reader(node: Any) -> Any:  # noqa: ANN401 - a library without types
    """The operation that reads what becomes of a constant."""
    while node.get_type_name() not in _READS:
        readers = node.output(0).get_target_inputs()
        if len(readers) != 1 or node.get_type_name() not in ("Convert", "Multiply", "Subtract", "Reshape"):
            return None
        node = next(iter(readers)).get_node()
    return node


def _stored(operation: Any, constants: _Constants) -> StoredWeight | None:  # noqa: ANN401 - a library without types
    """How the weights of an operation are stored; None where they are in no way that is known here."""
    kind = operation.get_type_name()
    if kind not in _READS:
        return None
    node = _above(_without(_source(operation, _READS[kind]), "Convert"), "Reshape")
    node = _without(node, "Convert")
    shape = tuple(operation.input(_READS[kind]).get_shape())
    turned = kind == "MatMul" and len(shape) == _MATRIX and not operation.get_attributes()["transpose_b"]
    shape = shape[::-1] if turned else shape
    found: StoredWeight | None = None
    if node.get_type_name() == "Constant" and node.get_element_type().is_real():
        found = Plain(constants, node.get_friendly_name(), shape, turned)
    elif node.get_type_name() == "Multiply":
        computed = kind != "Gather" and is_rounded(_source(operation, 0))
        found = _scaled(node, constants, shape, turned=turned, computed=computed)
    factor = _smoothing(operation, constants)
    return found if found is None or factor is None else Divided(found, factor)


def _scaled(
    node: Any,  # noqa: ANN401 - a library without types
    constants: _Constants,
    shape: tuple[int, ...],
    *,
    turned: bool,
    computed: bool,
) -> StoredWeight | None:
    """Whole numbers, less their zero point, times their scales."""
    scale = _without(_source(node, 1), "Convert")
    numbers, zero = _without(_source(node, 0), "Convert"), None
    if numbers.get_type_name() == "Subtract":
        zero = _without(_source(numbers, 1), "Convert")
        numbers = _without(_source(numbers, 0), "Convert")
    parts = [part for part in (numbers, scale, zero) if part is not None]
    if any(part.get_type_name() != "Constant" for part in parts):
        return None
    name, scales, *zeros = (part.get_friendly_name() for part in parts)
    stored = numbers.get_element_type().get_type_name()
    if stored == _FOUR_BITS and zeros and not turned:
        return Blocks(constants, name, scales, zeros[0], shape[1], shape, filled=False)
    if stored not in _INTEGERS:
        return None
    axis = next((place for place, length in enumerate(scale.shape) if length > 1), 0)
    zero = zeros[0] if zeros else None
    paired = computed and stored == "i8"
    return Scaled(constants, name, scales, axis, shape, turned, zero, computed=computed, paired=paired)


def is_rounded(node: Any) -> bool:  # noqa: ANN401 - a library without types
    """Whether activations are rounded, which OpenVINO multiplies as whole numbers where a device does."""
    while node.get_type_name() in HANDS_ON:
        if node.get_type_name() == "Concat":
            return all(is_rounded(source.get_node()) for source in node.input_values())
        node = _source(node, 0)
    return bool(node.get_type_name() == "FakeQuantize")


def _smoothing(operation: Any, constants: _Constants) -> Floats | None:  # noqa: ANN401 - a library without types
    """What NNCF multiplies the activations of a convolution by, per channel; None where nothing."""
    node = _above(_source(operation, 0), "FakeQuantize")
    if node.get_type_name() != "Multiply" or not node.get_friendly_name().endswith(_SMOOTHED):
        return None
    values = constants(_source(node, 1).get_friendly_name())
    return values.astype(np.float32).reshape(-1)


def _source(node: Any, place: int) -> Any:  # noqa: ANN401 - a library without types
    return node.input(place).get_source_output().get_node()


def _above(node: Any, kind: str) -> Any:  # noqa: ANN401 - a library without types
    return _source(node, 0) if node.get_type_name() == kind else node


def _without(node: Any, kind: str) -> Any:  # noqa: ANN401 - a library without types
    while node.get_type_name() == kind:
        node = _source(node, 0)
    return node
