"""One component of a model in ncnn's format: fixed, traced, converted, checked."""

from __future__ import annotations

import filecmp
import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from edgediff_exporters.component_export import give_memory_back, public
from edgediff_exporters.families.base import ComponentPlan, Config, Outputs
from edgediff_exporters.ncnn.pnnx import BIN_NAME, convert
from edgediff_exporters.ncnn.scripting import write_script
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.sources.base import Source
from edgediff_exporters.targets.base import Axes
from edgediff_exporters.verification import measure
from edgediff_exporters.weights import Weights
from edgediff_runtimes.bundle import Check, Component, FileEntry, FixedGraph, sha256_of
from edgediff_runtimes.engines import Graph, get_engine
from edgediff_runtimes.precisions import precision_of
from edgediff_runtimes.tensors import TensorSpec

_FORMAT = "ncnn"


def export_ncnn_component(
    source: Source,
    plan: ComponentPlan,
    open_: Component,
    folder: Path,
    *,
    precision: str,
    asked: Mapping[str, Axes],
    on_progress: OnProgress,
) -> Component:
    """Write a component straight from the model, see ``Write``.

    Raises:
        EdgediffError: The converter is not there.
        NotInstalledError: ncnn, with which the graphs are checked, is not installed.
        ExportError: The component has what ncnn has not.
        ToleranceError: A graph strays too far from its module.
    """
    config = source.config(plan.origin)
    weights = source.weights(plan.origin).renamed(plan.rename)
    engine, tolerance = get_engine(_FORMAT), plan.tolerances[precision]
    outputs = [spec.name for spec in open_.outputs]
    part = folder / plan.role
    part.mkdir()
    (part / "config.json").write_text(json.dumps(public(config), indent=2) + "\n", encoding="utf-8")
    checks: list[Check] = []
    names = [f"model{suffix}.ncnn.param" for suffix in asked]
    for index, (name, lengths) in enumerate(zip(names, asked.values(), strict=True)):
        on_progress(ExportProgress(plan.role, "trace", index, len(asked)))
        fixed = fixed_plan(plan, lengths, outputs)
        graph = _converted(fixed, config, weights, part / name, precision)
        told = partial(_told_check, plan.role, index, len(asked), on_progress)
        checks += measure(fixed, config, weights, graph, engine=engine, tolerance=tolerance, on_step=told)[0]
        give_memory_back()
    on_progress(ExportProgress(plan.role, "trace", len(asked), len(asked)))
    return replace(
        open_,
        format=_FORMAT,
        precision=precision,
        files=tuple(_entry(part / name) for name in (*names, *sorted(path.name for path in part.glob("*.bin")))),
        tolerance=tolerance,
        checks=tuple(checks),
        operators={},
        weights={},
        fixed=tuple(
            FixedGraph(f"{plan.role}/{name}", dict(axes)) for name, axes in zip(names, asked.values(), strict=True)
        ),
    )


def _converted(plan: ComponentPlan, config: Config, weights: Weights, path: Path, precision: str) -> Graph:
    """The graph of a component with fixed lengths; weights that are those of another size are not stored twice."""
    inputs = tuple(TensorSpec(item.name, str(item.dtype).removeprefix("torch."), item.shape) for item in plan.inputs)
    row = precision_of(precision)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pnnx-") as work:
        script = Path(work) / "module.pt"
        shapes = write_script(plan, config, weights, script)
        give_memory_back()
        told = [(item.name, spec.dtype, item.sizes({})) for item, spec in zip(plan.inputs, inputs, strict=True)]
        half = row.half or row.storage == "float16"
        param, values = convert(plan.role, script, told, plan.outputs, half=half)
        param.rename(path)
        shared = path.with_name(BIN_NAME)
        if not shared.exists():
            values.rename(shared)
        elif not filecmp.cmp(values, shared, shallow=False):
            values.rename(path.with_suffix(".bin"))
    outputs = tuple(TensorSpec(name, "float32", shape) for name, shape in zip(plan.outputs, shapes, strict=True))
    return Graph(plan.role, path, _FORMAT, inputs, outputs, precision)


def _told_check(role: str, index: int, count: int, on_progress: OnProgress, done: int, total: int) -> None:
    on_progress(ExportProgress(role, "check", index * total + done, count * total))


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
