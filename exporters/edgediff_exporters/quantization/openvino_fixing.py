"""An OpenVINO graph of any shape as graphs of fixed ones, which share its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgediff_exporters.graph_file import WrittenFile
from edgediff_exporters.quantization.openvino_model import WEIGHTS_NAME
from edgediff_runtimes.bundle import sha256_of
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.errors import ExportError
from edgediff_runtimes.tensors import TensorSpec


def fix_shapes(
    graph: Path, inputs: Sequence[TensorSpec], asked: Mapping[str, Mapping[str, int]]
) -> tuple[WrittenFile, ...]:
    """As ``passes.fix_shapes``, of a graph of OpenVINO's.

    Raises:
        ExportError: A value has an axis of any length.
    """
    place, core = graph.parent, ov.Core()
    work = place / ".fixed"
    work.mkdir()
    for name, axes in asked.items():
        model = core.read_model(graph)
        model.reshape(
            {spec.name: [axes[axis] if isinstance(axis, str) else axis for axis in spec.shape] for spec in inputs}
        )
        for node in model.get_ordered_ops():
            if any(output.get_partial_shape().is_dynamic for output in node.outputs()):
                raise ExportError(
                    f"`{node.get_friendly_name()}` of `{place.name}` keeps an axis of any length, which a target of "
                    "fixed shapes does not take"
                )
        ov.save_model(model, work / name, compress_to_fp16=False)
        del model
    graph.unlink()
    shared = place / WEIGHTS_NAME
    shared.unlink()
    files = []
    for name in asked:
        written = work / name
        weights = written.with_suffix(".bin")
        own = place / weights.name
        digest = sha256_of(weights)
        if not shared.exists():
            weights.rename(shared)
            first = digest
        elif digest != first:
            weights.rename(own)
            files.append(_file(own))
        written.rename(place / name)
        files.append(_file(place / name))
    for rest in work.iterdir():
        rest.unlink()
    work.rmdir()
    graphs = [file for file in files if file.name in asked]
    return (*graphs, *(file for file in files if file.name not in asked), _file(shared))


def _file(path: Path) -> WrittenFile:
    return WrittenFile(path.name, path.stat().st_size, sha256_of(path))
