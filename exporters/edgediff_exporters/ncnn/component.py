"""One component of a model in ncnn's format: fixed, traced, converted, checked."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from edgediff_exporters.component_export import give_memory_back, public
from edgediff_exporters.families.base import ComponentPlan, Config, Outputs
from edgediff_exporters.host_time import has_time_inside, with_time_outside
from edgediff_exporters.ncnn.pnnx import BIN_NAME, PARAM_NAME, convert, find_pnnx
from edgediff_exporters.ncnn.scripting import write_script
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.sources.base import Source
from edgediff_exporters.verification import measure
from edgediff_exporters.weights import Weights
from edgediff_runtimes.bundle import Component, FileEntry, sha256_of
from edgediff_runtimes.engines import Graph, get_engine
from edgediff_runtimes.precisions import precision_of
from edgediff_runtimes.tensors import TensorSpec

_FORMAT = "ncnn"


def export_ncnn_component(
    source: Source,
    plan: ComponentPlan,
    folder: Path,
    precision: str,
    *,
    lengths: Mapping[str, int],
    outputs: Collection[str],
    on_progress: OnProgress,
) -> Component:
    """Write a component straight from the model.

    Args:
        source: The model.
        plan: The component.
        folder: The bundle's; the component's own is made in it.
        precision: ``fp32``, or one whose weights are stored in float16.
        lengths: Of its dynamic axes; ``batch`` is one.
        outputs: Those that the recipe takes: others may be what ncnn cannot compute.
        on_progress: Told every step.

    Raises:
        EdgediffError: The converter is not there.
        NotInstalledError: ncnn, with which the graph is checked, is not installed.
        ExportError: The component has what ncnn has not.
        ToleranceError: The graph strays too far from its module.
    """
    config = source.config(plan.origin)
    weights = source.weights(plan.origin).renamed(plan.rename)
    find_pnnx()  # before anything is computed for it
    engine = get_engine(_FORMAT)
    fixed = fixed_plan(plan, lengths, outputs)
    fixed = with_time_outside(fixed, config) if has_time_inside(fixed, config) else fixed
    on_progress(ExportProgress(plan.role, "trace", 0, 1))
    graph = _converted(fixed, config, weights, folder, precision)
    on_progress(ExportProgress(plan.role, "trace", 1, 1))
    (graph.path.parent / "config.json").write_text(json.dumps(public(config), indent=2) + "\n", encoding="utf-8")
    tolerance = plan.tolerances[precision]
    checks, _, _ = measure(
        fixed,
        config,
        weights,
        graph,
        engine=engine,
        tolerance=tolerance,
        on_step=lambda done, total: on_progress(ExportProgress(plan.role, "check", done, total)),
    )
    give_memory_back()
    files = tuple(_entry(graph.path.with_name(name)) for name in (PARAM_NAME, BIN_NAME))
    return Component(_FORMAT, precision, files, graph.inputs, graph.outputs, tolerance, checks)


def _converted(plan: ComponentPlan, config: Config, weights: Weights, folder: Path, precision: str) -> Graph:
    """The graph of a component with fixed lengths, in the component's directory."""
    part = folder / plan.role
    part.mkdir()
    inputs = tuple(TensorSpec(item.name, str(item.dtype).removeprefix("torch."), item.shape) for item in plan.inputs)
    row = precision_of(precision)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pnnx-") as work:
        script = Path(work) / "module.pt"
        shapes = write_script(plan, config, weights, script)
        give_memory_back()
        told = [(item.name, spec.dtype, item.sizes({})) for item, spec in zip(plan.inputs, inputs, strict=True)]
        for file in convert(plan.role, script, told, plan.outputs, half=row.half or row.storage == "float16"):
            shutil.move(file, part)
    outputs = tuple(TensorSpec(name, "float32", shape) for name, shape in zip(plan.outputs, shapes, strict=True))
    return Graph(plan.role, part / PARAM_NAME, _FORMAT, inputs, outputs, precision)


def fixed_plan(plan: ComponentPlan, lengths: Mapping[str, int], outputs: Collection[str]) -> ComponentPlan:
    """The component with fixed lengths for all axes and some of its outputs."""
    kept = tuple(name for name in plan.outputs if name in outputs)
    forward, names = plan.forward, plan.outputs

    def some(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        found = zip(names, forward(module, *tensors), strict=True)
        return tuple(output for name, output in found if name in kept)

    inputs = tuple(replace(item, shape=item.sizes(lengths)) for item in plan.inputs)
    return replace(plan, inputs=inputs, outputs=kept, forward=some, traced={}, checked={})


def _entry(path: Path) -> FileEntry:
    return FileEntry(f"{path.parent.name}/{path.name}", path.stat().st_size, sha256_of(path))
