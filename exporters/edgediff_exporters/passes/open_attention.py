"""Let the cross-attentions of a U-Net that was exported look at tokens of pictures too, as an IP-Adapter does.

Behind each cross-attention there is another with the same queries and with keys and values of the pictures' tokens,
which is weighed and added. The graph gets two inputs, these operations and their weights, in a file of their own where
they are large; nothing else of it changes. Where the tokens are one entry that is 0, zeros are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from edgediff_exporters.graph_file import GRAPH_NAME, INLINE_BYTES, WrittenFile
from edgediff_exporters.modules.ip_adapter import SAMPLE, TEXT, AttentionWeights
from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.families.ip_adapter import IP_ADAPTER, SCALE, TOKENS
from edgediff_runtimes.tensors import TensorSpec

DATA_NAME = "ip_adapter.onnx_data"
SPECS = (
    TensorSpec(TOKENS, "float32", (f"{TOKENS}.batch", f"{TOKENS}.tokens", f"{TOKENS}.width")),
    TensorSpec(SCALE, "float32", (f"{SCALE}.batch",)),
)
# What stands between the text and the keys of an attention, in any precision.
_BETWEEN = ("MatMul", "MatMulNBits", "Reshape", "Cast", "QuantizeLinear", "DequantizeLinear")
_PAGE = 4096
_SEEN, _WEIGHT = f"{TOKENS}.seen", f"{SCALE}.weight"


def open_attention(
    graph: Path, folder: Path, layers: Sequence[AttentionWeights], *, half: bool, exact: bool
) -> tuple[WrittenFile, ...]:
    """Write the graph.

    Args:
        graph: The ``.onnx`` file. Weights beside it are not read.
        folder: Where to; what its weights lie in must be there too.
        layers: The weights, in the order in which the graph computes its cross-attentions.
        half: Whether it computes in float16.
        exact: Whether the weights are stored in float32, and not in float16.

    Raises:
        ExportError: The graph has not as many cross-attentions.
    """
    model = onnx.load(graph, load_external_data=False)
    attentions = list(_cross_attentions(model.graph))
    if len(attentions) != len(layers):
        raise ExportError(
            f"the U-Net's graph has {len(attentions)} cross-attentions as one operator: expected {len(layers)}",
            hint="export the model again: bundles of before have attention as products and a softmax",
        )
    stored = _Stored(model.graph, half=half, exact=exact)
    width = layers[0].key.shape[-1]
    nodes = _taken(stored, width)
    beside = {attention.output[0]: layer for attention, layer in zip(attentions, layers, strict=True)}
    for node in model.graph.node:
        layer = beside.get(node.output[0])
        nodes += [node] if layer is None else _with_pictures(node, stored, layer)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    for spec in SPECS:
        model.graph.input.append(helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, [*spec.shape]))
    files = stored.move_out(folder)
    data = model.SerializeToString(deterministic=True)
    (folder / GRAPH_NAME).write_bytes(data)
    return (WrittenFile(GRAPH_NAME, len(data), hashlib.sha256(data).hexdigest()), *files)


def _cross_attentions(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "MultiHeadAttention" and _origin(node.input[1], makers) == TEXT:
            yield node


def _origin(value: str, makers: Mapping[str, onnx.NodeProto]) -> str:
    while (maker := makers.get(value)) is not None and maker.op_type in _BETWEEN:
        value = maker.input[0]
    return value


def _taken(stored: _Stored, width: int) -> list[onnx.NodeProto]:
    """The inputs as the attentions take them: tokens for every row of the sample, both in the graph's own floats."""
    shape = [f"{TOKENS}.rows", stored.numbers("one", [1]), stored.numbers("width", [width])]
    return [
        helper.make_node("Shape", [SAMPLE], [f"{TOKENS}.rows"], name=f"{TOKENS}.rows", start=0, end=1),
        helper.make_node("Concat", shape, [f"{TOKENS}.shape"], name=f"{TOKENS}.shape", axis=0),
        helper.make_node("Expand", [TOKENS, f"{TOKENS}.shape"], [f"{TOKENS}.all"], name=f"{TOKENS}.all"),
        *(
            helper.make_node("Cast", [given], [taken], name=taken, to=stored.kind)
            for given, taken in ((f"{TOKENS}.all", _SEEN), (SCALE, _WEIGHT))
        ),
    ]


def _with_pictures(attention: onnx.NodeProto, stored: _Stored, layer: AttentionWeights) -> list[onnx.NodeProto]:
    """An attention, and what it sees of the pictures added to what it sees of the text."""
    name, out = f"{IP_ADAPTER}.{stored.count}", attention.output[0]
    nodes, given = [], []
    for word, tensor in (("to_k_ip", layer.key), ("to_v_ip", layer.value)):
        weight, widened = stored.matrix(f"{name}.{word}.weight", tensor)
        made = f"{name}.{word}"
        nodes += [*widened, helper.make_node("MatMul", [_SEEN, weight], [made], name=made)]
        given.append(made)
    attention.output[0] = f"{name}.text"
    pictures = helper.make_node(
        attention.op_type, [attention.input[0], *given], [f"{name}.seen"], name=f"{name}.seen", domain=attention.domain
    )
    pictures.attribute.extend(attention.attribute)
    stored.count += 1
    return [
        attention,
        *nodes,
        pictures,
        helper.make_node("Mul", [f"{name}.seen", _WEIGHT], [f"{name}.weighed"], name=f"{name}.weighed"),
        helper.make_node("Add", [f"{name}.text", f"{name}.weighed"], [out], name=f"{name}.sum"),
    ]


@final
class _Stored:
    """Initialisers that are added to a graph, and the file of those that are large."""

    def __init__(self, graph: onnx.GraphProto, *, half: bool, exact: bool) -> None:
        self.kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.count = 0
        self._graph = graph
        self._exact = exact and not half
        self._large: list[onnx.TensorProto] = []

    def numbers(self, name: str, values: list[int]) -> str:
        """Whole numbers, such as lengths of axes."""
        self._graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), f"{TOKENS}.{name}"))
        return f"{TOKENS}.{name}"

    def matrix(self, name: str, tensor: torch.Tensor) -> tuple[str, list[onnx.NodeProto]]:
        """A matrix that tokens are multiplied by, and what widens it where it is stored in fewer bytes."""
        dtype = torch.float32 if self._exact else torch.float16
        array = tensor.T.contiguous().to(dtype).numpy()
        stored = numpy_helper.from_array(array, name)
        self._graph.initializer.append(stored)
        self._large.append(self._graph.initializer[-1])
        if self._exact or self.kind == TensorProto.FLOAT16:
            return name, []
        return f"{name}.full", [helper.make_node("Cast", [name], [f"{name}.full"], name=f"{name}.full", to=self.kind)]

    def move_out(self, folder: Path) -> tuple[WrittenFile, ...]:
        """Put the matrices into a file beside the graph, where they are too large for the graph's own."""
        if sum(len(tensor.raw_data) for tensor in self._large) <= INLINE_BYTES:
            return ()
        digest, position = hashlib.sha256(), 0
        with (folder / DATA_NAME).open("wb") as file:
            for tensor in self._large:
                data = bytes(-position % _PAGE) + tensor.raw_data
                offset, length = position + len(data) - len(tensor.raw_data), len(tensor.raw_data)
                file.write(data)
                digest.update(data)
                position += len(data)
                set_external_data(tensor, DATA_NAME, offset=offset, length=length)
                tensor.ClearField("raw_data")
        return (WrittenFile(DATA_NAME, position, digest.hexdigest()),)
