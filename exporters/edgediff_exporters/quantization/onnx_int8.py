"""Weights of 8 bits and rounded activations in an ONNX graph (``int8``, ``a16w8``), by ONNX Runtime's quantiser.

The graph says it in the standard's own operators: ``QuantizeLinear`` and ``DequantizeLinear`` around each layer, which
an engine fuses into integer arithmetic where it has any, and else computes as they stand.

In ``int8``; how ``a16w8`` differs is in ``onnx_schemes``:

1. Weights: symmetric, a scale per output channel, and 7 bits of the 8. x86 processors without VNNI add two products of
   8 bits in 16 bits and saturate; with 7 bits nothing can, so that a bundle gives the same numbers everywhere. On such
   a processor this gives 1.2 dB more than 8 bits, on others 0.8 dB less.
2. Activations: unsigned, asymmetric, one scale per tensor; the range is the one with the least squared error.
3. A layer reads a rounded copy; what else reads the same tensor (a norm beside a shortcut) reads it as it is: 0.3 dB.
4. The result of a convolution is rounded too, without which no engine fuses it; that of a product is not.
5. All other matrices are stored smaller, see ``store_rest``: arithmetic with them stays in float32.

SmoothQuant (Xiao et al. 2022) is not applied. With the best migration strength per layer it changed the result by
+0.4 and -0.4 dB on the two U-Nets measured: it fits each channel's range to the calibration prompts, and others exceed
it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edgediff_exporters.graph_file import WrittenFile, write_graph
from edgediff_exporters.quantization.activations import Activation, observe
from edgediff_exporters.quantization.base import Calibration
from edgediff_exporters.quantization.bias_correction import correct_biases
from edgediff_exporters.quantization.onnx_layers import OnnxLayer, quantisable
from edgediff_exporters.quantization.onnx_schemes import Scheme
from edgediff_exporters.quantization.rest import store_rest

_LARGEST_OF_8_BITS = 127
# Without this mark the quantiser would write the whole graph to a temporary file, to find shapes that it already has.
_SHAPES_ARE_KNOWN = ("onnx.infer", "onnxruntime.quant")


def observe_layers(graph: Path, feeds: Calibration, scheme: Scheme) -> dict[str, Activation]:
    """What goes into and comes out of every layer that can be quantised: enough for any choice of them."""
    layers = quantisable(onnx.load(graph, load_external_data=False), scheme)
    axes = {layer.node.output[0]: 1 for layer in layers if layer.node.op_type in scheme.results}
    axes.update({layer.node.input[0]: layer.channel_axis for layer in layers})
    return observe(graph, axes, feeds) if axes else {}


def quantise_layers(
    graph: Path, folder: Path, seen: Mapping[str, Activation], keep: Collection[str], scheme: Scheme
) -> tuple[WrittenFile, ...]:
    """Write the graph with layers of whole numbers; see ``Quantiser.quantise`` and ``observe_layers``."""
    model = onnx.load(graph)
    layers = [layer for layer in quantisable(model, scheme) if layer.node.name not in keep]
    if layers:
        correct_biases(model, layers, seen, largest=scheme.largest)
        model = _quantised(model, layers, seen, scheme)
    result = ir.from_proto(model)
    del model
    result.graph.sort()  # the quantiser appends its nodes
    store_rest(result, half=scheme.half_rest)
    return write_graph(result, folder, on_bytes=lambda _done, _total: None)


def _quantised(
    model: onnx.ModelProto, layers: Sequence[OnnxLayer], seen: Mapping[str, Activation], scheme: Scheme
) -> onnx.ModelProto:
    ranges = {
        name: activation.extremes if scheme.whole_range else (activation.low, activation.high)
        for name, activation in seen.items()
    }
    copies = _read_copies(model, layers)
    ranges.update({copy: ranges[name] for name, copy in copies.items()})
    mark = model.metadata_props.add()
    mark.key, mark.value = _SHAPES_ARE_KNOWN
    quantiser = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=scheme.largest < _LARGEST_OF_8_BITS,
        weight_qType=QuantType.QInt8,
        activation_qType=scheme.activations,
        tensors_range={
            name: TensorData(lowest=np.array(low, np.float32), highest=np.array(high, np.float32))
            for name, (low, high) in ranges.items()
        },
        nodes_to_quantize=[layer.node.name for layer in layers],
        nodes_to_exclude=[],
        op_types_to_quantize=[*scheme.operators],
        extra_options={
            "WeightSymmetric": True,
            "OpTypesToExcludeOutputQuantization": [op for op in scheme.operators if op not in scheme.results],
        },
    )
    quantiser.quantize_model()
    quantised: onnx.ModelProto = quantiser.model.model
    del quantised.metadata_props[:]
    return quantised


def _read_copies(model: onnx.ModelProto, layers: Sequence[OnnxLayer]) -> dict[str, str]:
    """Let the layers read what they read through an ``Identity``, one for all that read the same tensor."""
    types = {value.name: value.type for value in (*model.graph.value_info, *model.graph.input)}
    names = {layer.node.name for layer in layers}
    copies: dict[str, str] = {}
    nodes = []
    for node in model.graph.node:
        if node.name in names:
            source = node.input[0]
            if source not in copies:
                copies[source] = f"{source}.read"
                nodes.append(helper.make_node("Identity", [source], [copies[source]], name=copies[source]))
                info = model.graph.value_info.add()
                info.name = copies[source]
                info.type.CopyFrom(types[source])
            node.input[0] = copies[source]
        nodes.append(node)
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    return copies
