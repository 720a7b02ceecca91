"""A graph of ours as OpenVINO's model: read from ONNX, changed so that others can open it, and written.

1. It is simplified as OpenVINO's own converter does it: constants are folded, attention, norms and activations fused.
2. Whole numbers that a graph takes are 64 bits wide, and the time step of a U-Net is one of them, as optimum's
   exporters and OpenVINO GenAI have it; the graph converts. Our own engine feeds time steps between two whole numbers
   all the same. Transformers, whose time steps may be below one, are fed floats by all.
3. The weights of products are stored with their output channels first. That is how OpenVINO computes with them, so they
   are not turned round in memory at every load.
4. Whole numbers beyond 32 bits are brought to 32, see ``narrowed`` of the engine.
5. Names that OpenVINO made up count what else the process did; they become such that count the graph's own operations,
   so that two exports of one model are the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgediff_exporters.graph_file import WrittenFile
from edgediff_runtimes.bundle import sha256_of
from edgediff_runtimes.engines.openvino.compiling import narrowed
from edgediff_runtimes.engines.openvino.library import ov, without_telemetry
from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.tensors import TensorSpec

GRAPH_NAME = "openvino_model.xml"
WEIGHTS_NAME = "openvino_model.bin"
_SAMPLE, _TIME = "sample", "timestep"  # what a U-Net takes; a transformer's sample is called `hidden_states`
_MATRIX = 2  # axes


def read_graph(graph: Path, *, halve: bool) -> ov.Model:
    """An ONNX graph; its weights stay in the file until they are needed.

    Args:
        graph: The ``.onnx`` file.
        halve: Round the weights to float16. They are widened in front of what uses them.

    Raises:
        ExportError: OpenVINO cannot read it.
    """
    try:
        model = ov.Core().read_model(graph)
    except Exception as error:  # RuntimeError today; what it may raise is not documented
        raise ExportError(f"OpenVINO cannot read `{graph.name}`: {str(error).strip().splitlines()[-1]}") from error
    with without_telemetry():
        from openvino import _offline_transformations as passes  # noqa: PLC0415 - as without_telemetry wants it
    name_by_place(model, "read")
    named = {node.get_friendly_name() for node in model.get_ops()}
    passes.apply_moc_transformations(model, cf=True)
    name_by_place(model, "simplified", unless=named)
    if halve:
        passes.compress_model_transformation(model)
    _turn_weights(model)
    return model


def write_model(model: ov.Model, folder: Path, *, precision: str) -> tuple[WrittenFile, ...]:
    """Write a model that ``read_graph`` read; it is changed, see the module.

    Args:
        model: The model.
        folder: Where to.
        precision: What the file says of it.
    """
    _widen_inputs(model)
    narrowed(model)
    name_by_place(model, "written")
    model.set_friendly_name(folder.name)
    for name, value in {"version": version("edgediff"), "precision": precision}.items():
        model.set_rt_info(value, ["edgediff", name])
    ov.save_model(model, folder / GRAPH_NAME, compress_to_fp16=False)
    paths = (folder / GRAPH_NAME, folder / WEIGHTS_NAME)
    return tuple(WrittenFile(path.name, path.stat().st_size, sha256_of(path)) for path in paths)


def widened(specs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """What the inputs of a graph are in the file that is written."""
    whole = _whole_floats({spec.name: len(spec.shape) for spec in specs})
    return tuple(
        replace(spec, dtype="int64") if spec.dtype == "int32" or spec.name in whole else spec for spec in specs
    )


def _whole_floats(axes: Mapping[str, int]) -> tuple[str, ...]:
    """The floats among a graph's inputs, given with how many axes each has, that others feed as whole numbers."""
    # Of two axes are sines and cosines of it.
    return (_TIME,) if _SAMPLE in axes and axes.get(_TIME) == 1 else ()


def _widen_inputs(model: ov.Model) -> None:
    """Rule 2."""
    whole = _whole_floats({node.get_friendly_name(): len(node.get_partial_shape()) for node in model.get_parameters()})
    for old in model.get_parameters():
        kind = old.get_element_type()
        if kind != ov.Type.i32 and old.get_friendly_name() not in whole:
            continue
        new = ov.opset13.parameter(old.get_partial_shape(), ov.Type.i64, name=old.get_friendly_name())
        new.output(0).get_tensor().set_names(old.output(0).get_tensor().get_names())
        old.output(0).get_tensor().set_names(set())
        narrowed = ov.opset13.convert(new, kind)
        for reader in old.output(0).get_target_inputs():
            reader.replace_source_output(narrowed.output(0))
        model.replace_parameter(model.get_parameter_index(old), new)
    model.validate_nodes_and_infer_types()


def _turn_weights(model: ov.Model) -> None:
    """Rule 3."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul" or node.get_attributes()["transpose_b"]:
            continue
        above = node.input(1)
        while above.get_source_output().get_node().get_type_name() == "Convert":
            above = above.get_source_output().get_node().input(0)
        weights = above.get_source_output().get_node()
        readers = weights.output(0).get_target_inputs()
        if weights.get_type_name() != "Constant" or len(weights.shape) != _MATRIX or len(readers) > 1:
            continue
        turned = ov.opset13.constant(np.ascontiguousarray(weights.data.T), name=weights.get_friendly_name())
        above.replace_source_output(turned.output(0))
        node.set_attribute("transpose_b", True)  # noqa: FBT003 - the library's own signature
    model.validate_nodes_and_infer_types()


def name_by_place(model: ov.Model, when: str, *, unless: Collection[str] | None = None) -> None:
    """Rule 4; each time before names are made of names.

    Args:
        model: The model.
        when: What the new names begin with.
        unless: Names that stay, and no others; None: all stay that were not made up.
    """
    counts: Counter[str] = Counter()
    for node in model.get_ordered_ops():
        name = node.get_friendly_name()
        if (name == node.get_name()) if unless is None else (name not in unless):
            kind = node.get_type_name()
            node.set_friendly_name(f"{when}/{kind}_{counts[kind]}")
            counts[kind] += 1
