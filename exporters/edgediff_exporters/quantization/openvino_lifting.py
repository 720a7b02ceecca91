"""Layers of an int8 graph of OpenVINO's go back to float, without calibrating again.

1. The weights become those of the fp32 graph in float16, with what SmoothQuant moved into them from the activations.
2. A rounding of activations goes where nothing is left that wants it; a lifted layer that shares it with others reads
   what was there before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from edgediff_exporters.quantization.openvino_layers import CONVOLUTIONS, multiplications, stored
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.engines.openvino.weights import HANDS_ON
from edgediff_runtimes.tensors import Floats

_SMOOTHING = "nncf_smooth_quant"  # in the name of the multiplication that NNCF puts in front of a smoothed layer


def lift(quantised: ov.Model, original: ov.Model, names: Collection[str]) -> None:
    """Take layers of an int8 graph back to float, in place.

    Args:
        quantised: The graph.
        original: The same one before it was quantised, weights in float16.
        names: The layers.
    """
    before = {node.get_friendly_name(): node for node in multiplications(original)}
    for node in multiplications(quantised):
        if node.get_friendly_name() in names:
            _lift_weights(node, before[node.get_friendly_name()])
    for node in quantised.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize" and stored(node) is None:
            _lift_rounding(node, names)
    quantised.validate_nodes_and_infer_types()


def _lift_weights(node: ov.Node, original: ov.Node) -> None:
    """Rule 1."""
    constant = stored(original.input_value(1).get_node())
    if constant is None:
        return
    weights = constant.data
    scale = _smoothing(node)
    if scale is not None:
        weights = (weights.astype(np.float32) / scale).astype(np.float16)
    half = ov.opset13.constant(weights, name=constant.get_friendly_name())
    widened = ov.opset13.convert(half, node.input_value(1).get_element_type())
    node.input(1).replace_source_output(widened.output(0))


def _smoothing(node: ov.Node) -> Floats | None:
    """What the activations of a convolution are multiplied with, ``(1, channels, 1, 1)``, where they are."""
    above = node.input_value(0).get_node()
    if above.get_type_name() == "FakeQuantize":
        above = above.input_value(0).get_node()
    if node.get_type_name() not in CONVOLUTIONS or _SMOOTHING not in above.get_friendly_name():
        return None
    scale: Floats = above.input_value(1).get_node().data
    return scale


def _lift_rounding(rounding: ov.Node, names: Collection[str]) -> None:
    """Rule 2."""
    before = rounding.input_value(0)
    readers = list(rounding.output(0).get_target_inputs())
    wanted = any(node.get_friendly_name() not in names for node in _multiplying(rounding))
    for reader in readers:
        if not wanted or reader.get_node().get_friendly_name() in names:
            reader.replace_source_output(before)


def _multiplying(node: ov.Node) -> Iterator[ov.Node]:
    """The convolutions and products that a value reaches unchanged."""
    for reader in node.output(0).get_target_inputs():
        below = reader.get_node()
        if below.get_type_name() in (*CONVOLUTIONS, "MatMul"):
            yield below
        elif below.get_type_name() in HANDS_ON:
            yield from _multiplying(below)
