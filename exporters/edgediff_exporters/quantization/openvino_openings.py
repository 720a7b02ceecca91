"""As ``passes.open_graph``, for a graph of OpenVINO's: its weights are written once more, as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from edgediff_exporters.graph_file import WrittenFile
from edgediff_exporters.openings import CHANNEL_AXES, PAIR, Blocks, Made, Opening, Places, check_joins, ends_of_blocks
from edgediff_exporters.quantization.openvino_model import GRAPH_NAME, WEIGHTS_NAME
from edgediff_runtimes.bundle import sha256_of
from edgediff_runtimes.engines.openvino.library import ov

_AXES = 4
# The array of a place, and what is to read the sum in its stead.
_Readers: TypeAlias = "Callable[[Opening], tuple[ov.Output, list[ov.Input]]]"


def open_graph(graph: Path, folder: Path, openings: Sequence[Opening], *, places: Places) -> tuple[WrittenFile, ...]:
    """Write the graph with more inputs.

    Args:
        graph: The ``.xml`` file.
        folder: Where to.
        openings: The inputs, and what they are added to.
        places: Which places the network has.

    Raises:
        ExportError: It has others.
    """
    model = ov.Core().read_model(graph)
    readers_of = _block_readers(model, places) if isinstance(places, Blocks) else _skip_readers(model, places.count)
    parameters = []
    for opening in openings:
        source, readers = readers_of(opening)
        parameter = ov.opset13.parameter([-1] * len(opening.axes), ov.Type.f32, name=opening.name)
        parameter.output(0).get_tensor().set_names({opening.name})
        kind = source.get_element_type()
        given = parameter if kind == ov.Type.f32 else ov.opset13.convert(parameter, kind)
        added = ov.opset13.add(source, given, name=opening.added)
        for reader in readers:
            reader.replace_source_output(added.output(0))
        parameters.append(parameter)
    model.add_parameters(parameters)
    model.validate_nodes_and_infer_types()
    ov.save_model(model, folder / GRAPH_NAME, compress_to_fp16=False)
    paths = (folder / GRAPH_NAME, folder / WEIGHTS_NAME)
    return tuple(WrittenFile(path.name, path.stat().st_size, sha256_of(path)) for path in paths)


def _block_readers(model: ov.Model, blocks: Blocks) -> _Readers:
    sums = _sums(model)

    def made(value: ov.Output) -> Made[ov.Output]:
        node = value.get_node()
        inputs = [one.get_source_output() for one in node.inputs()]
        return Made(node.get_type_name(), inputs, node.get_friendly_name() in sums)

    ends = ends_of_blocks(model.outputs[0].get_node().input(0).get_source_output(), made, blocks)

    def readers(opening: Opening) -> tuple[ov.Output, list[ov.Input]]:
        source = ends[opening.place or 0]
        return source, [*source.get_target_inputs()]

    return readers


def _skip_readers(model: ov.Model, skips: int) -> _Readers:
    joins = [node for node in model.get_ordered_ops() if _joins(node)]
    check_joins(joins, skips)

    def readers(opening: Opening) -> tuple[ov.Output, list[ov.Input]]:
        place = joins[0].input(0) if opening.place is None else joins[skips - 1 - opening.place].input(1)
        source = place.get_source_output()
        if not opening.everywhere:
            return source, [place]
        source = _before_sums(source, model)
        return source, [*source.get_target_inputs()]

    return readers


def _joins(node: ov.Node) -> bool:
    if node.get_type_name() != "Concat" or len(node.inputs()) != PAIR:
        return False
    rank = node.get_output_partial_shape(0).rank
    return bool(rank.is_static and rank.get_length() == _AXES and node.get_attributes()["axis"] in CHANNEL_AXES)


def _before_sums(source: ov.Output, model: ov.Model) -> ov.Output:
    """What an array was before anything from outside was added to it."""
    sums = _sums(model)
    while source.get_node().get_friendly_name() in sums:
        source = source.get_node().input(0).get_source_output()
    return source


def _sums(model: ov.Model) -> set[str]:
    """What the sums are called that stand there for the graph's inputs."""
    return {Opening(node.get_friendly_name(), None).added for node in model.get_parameters()}
