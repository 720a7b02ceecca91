"""Let a U-Net's graph that was exported take what is added to its arrays, see ``openings``.

The graph gets inputs and sums, and nothing else changes: no initialiser and no name, whatever its weights are stored
in. Where one entry that is 0 is fed, it computes what it computed before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from edgediff_exporters.graph_file import GRAPH_NAME, WrittenFile
from edgediff_exporters.openings import CHANNEL_AXES, PAIR, Opening, check_joins


def open_graph(graph: Path, folder: Path, openings: Sequence[Opening], *, skips: int, half: bool) -> WrittenFile:
    """Write the graph with more inputs.

    Args:
        graph: The ``.onnx`` file. Weights beside it are not read.
        folder: Where to; what its weights lie in must be there too.
        openings: The inputs, and what they are added to.
        skips: How many skips the U-Net has.
        half: Whether the graph computes in float16.

    Raises:
        ExportError: It has others.
    """
    model = onnx.load(graph, load_external_data=False)
    joins = [node for node in model.graph.node if _joins(node)]
    check_joins(joins, skips)
    for opening in openings:
        join, place = (joins[0], 0) if opening.skip is None else (joins[skips - 1 - opening.skip], 1)
        value = _before_sums(model.graph, join.input[place]) if opening.everywhere else join.input[place]
        total = _add(model.graph, opening, value, half=half)
        if opening.everywhere:
            _replace(model.graph, value, total, but=opening.added)
        else:
            join.input[place] = total
        shape = [*opening.spec.shape]
        model.graph.input.append(helper.make_tensor_value_info(opening.name, TensorProto.FLOAT, shape))
    written = model.SerializeToString(deterministic=True)
    (folder / GRAPH_NAME).write_bytes(written)
    return WrittenFile(GRAPH_NAME, len(written), hashlib.sha256(written).hexdigest())


def _joins(node: onnx.NodeProto) -> bool:
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    return node.op_type == "Concat" and len(node.input) == PAIR and axes[0] in CHANNEL_AXES


def _before_sums(graph: onnx.GraphProto, value: str) -> str:
    """What a value was before anything from outside was added to it."""
    makers = {name: node for node in graph.node for name in node.output}
    sums = {Opening(one.name, None).added for one in graph.input}
    while (maker := makers.get(value)) is not None and maker.name in sums:
        value = maker.input[0]
    return value


def _add(graph: onnx.GraphProto, opening: Opening, value: str, *, half: bool) -> str:
    """Put a sum behind what makes a value; give back its name."""
    place = next(index for index, node in enumerate(graph.node) if value in node.output) + 1
    given, made = opening.name, []
    if half:
        given = f"{opening.name}.half"
        made.append(helper.make_node("Cast", [opening.name], [given], name=given, to=TensorProto.FLOAT16))
    made.append(helper.make_node("Add", [value, given], [opening.added], name=opening.added))
    for node in reversed(made):
        graph.node.insert(place, node)
    return opening.added


def _replace(graph: onnx.GraphProto, value: str, total: str, *, but: str) -> None:
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == value and node.name != but:
                node.input[place] = total
