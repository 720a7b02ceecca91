"""Let a network's graph that was exported take what is added to its arrays, see ``openings``.

The graph gets inputs and sums, and nothing else changes: no initialiser and no name, whatever its weights are stored
in. Where one entry that is 0 is fed, it computes what it computed before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from edgediff_exporters.graph_file import GRAPH_NAME, WrittenFile
from edgediff_exporters.openings import (
    CHANNEL_AXES,
    MAP_AXES,
    PAIR,
    Blocks,
    Made,
    Opening,
    Places,
    check_joins,
    ends_of_blocks,
)


def open_graph(graph: Path, folder: Path, openings: Sequence[Opening], *, places: Places, half: bool) -> WrittenFile:
    """Write the graph with more inputs.

    Args:
        graph: The ``.onnx`` file. Weights beside it are not read.
        folder: Where to; what its weights lie in must be there too.
        openings: The inputs, and what they are added to.
        places: Which places the network has.
        half: Whether the graph computes in float16.

    Raises:
        ExportError: It has others.
    """
    model = onnx.load(graph, load_external_data=False)
    if isinstance(places, Blocks):
        _open_blocks(model.graph, openings, places, half=half)
    else:
        _open_skips(model.graph, openings, places.count, half=half)
    for opening in openings:
        shape = [*opening.spec.shape]
        model.graph.input.append(helper.make_tensor_value_info(opening.name, TensorProto.FLOAT, shape))
    written = model.SerializeToString(deterministic=True)
    (folder / GRAPH_NAME).write_bytes(written)
    return WrittenFile(GRAPH_NAME, len(written), hashlib.sha256(written).hexdigest())


def _open_blocks(graph: onnx.GraphProto, openings: Sequence[Opening], blocks: Blocks, *, half: bool) -> None:
    makers = {name: node for node in graph.node for name in node.output}
    sums = _sums(graph)

    def made(value: str) -> Made[str] | None:
        node = makers.get(value)
        return None if node is None else Made(node.op_type, node.input, node.name in sums)

    ends = ends_of_blocks(graph.output[0].name, made, blocks)
    for opening in openings:
        if opening.place is not None:
            value = ends[opening.place]
            _replace(graph, value, _add(graph, opening, value, half=half), but=opening.added)


def _open_skips(graph: onnx.GraphProto, openings: Sequence[Opening], skips: int, *, half: bool) -> None:
    ranks = _ranks(graph)
    joins = [node for node in graph.node if _joins(node, ranks)]
    check_joins(joins, skips)
    for opening in openings:
        join, place = (joins[0], 0) if opening.place is None else (joins[skips - 1 - opening.place], 1)
        value = _before_sums(graph, join.input[place]) if opening.everywhere else join.input[place]
        total = _add(graph, opening, value, half=half)
        if opening.everywhere:
            _replace(graph, value, total, but=opening.added)
        else:
            join.input[place] = total


def _joins(node: onnx.NodeProto, ranks: Mapping[str, int]) -> bool:
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    if node.op_type != "Concat" or len(node.input) != PAIR or axes[0] not in CHANNEL_AXES:
        return False
    return all(ranks.get(name, len(MAP_AXES)) == len(MAP_AXES) for name in node.input)


def _ranks(graph: onnx.GraphProto) -> dict[str, int]:
    """The number of axes of each array that the graph tells the shape of."""
    kinds = {value.name: value.type.tensor_type for value in graph.value_info}
    return {name: len(kind.shape.dim) for name, kind in kinds.items() if kind.HasField("shape")}


def _before_sums(graph: onnx.GraphProto, value: str) -> str:
    """What a value was before anything from outside was added to it."""
    makers = {name: node for node in graph.node for name in node.output}
    sums = _sums(graph)
    while (maker := makers.get(value)) is not None and maker.name in sums:
        value = maker.input[0]
    return value


def _sums(graph: onnx.GraphProto) -> set[str]:
    """What the sums are called that stand there for the graph's inputs."""
    return {Opening(one.name, None).added for one in graph.input}


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
