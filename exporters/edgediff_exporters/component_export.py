"""One component of a model as an ONNX graph: traced, simplified, given its weights, written, checked."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path

import torch

from edgediff_exporters.counting import count_operators
from edgediff_exporters.families import ComponentPlan
from edgediff_exporters.families.base import Config
from edgediff_exporters.graph_file import GRAPH_NAME, write_graph
from edgediff_exporters.passes import simplify
from edgediff_exporters.passes.attach_weights import attach_weights
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.sources.base import Source
from edgediff_exporters.tracing import trace
from edgediff_exporters.verification import verify
from edgediff_runtimes.bundle import Component, FileEntry
from edgediff_runtimes.precisions import precision_of

_M_MMAP_THRESHOLD = -3  # malloc.h
_MAPPED_BYTES = 1 << 20


def export_component(
    source: Source, plan: ComponentPlan, folder: Path, precision: str, on_progress: OnProgress
) -> Component:
    """Write a component straight from the model.

    Args:
        source: The model.
        plan: The component.
        folder: The bundle's; the component's own is made in it.
        precision: One whose row in ``precisions`` is ``straight``.
        on_progress: Told every step.

    Raises:
        ToleranceError: The graph strays too far from its module.
    """
    config = source.config(plan.origin)
    weights = source.weights(plan.origin).renamed(plan.rename)
    on_progress(ExportProgress(plan.role, "trace", 0, 1))
    row = precision_of(precision)
    traced = trace(plan, config, dtype=torch.float16 if row.half else torch.float32)
    simplify(traced.model, traced.symbols)
    on_progress(ExportProgress(plan.role, "trace", 1, 1))
    tensors = {**weights.tensors, **traced.constants}
    attach_weights(traced.model, tensors, storage=row.storage)
    part = folder / plan.role
    part.mkdir()

    def on_bytes(done: int, total: int) -> None:
        weights.drop_pages()
        on_progress(ExportProgress(plan.role, "write", done, total))

    files = write_graph(traced.model, part, on_bytes=on_bytes)
    del traced
    give_memory_back()
    (part / "config.json").write_text(json.dumps(public(config), indent=2) + "\n", encoding="utf-8")
    tolerance = plan.tolerances[precision]
    checks, inputs, outputs = verify(
        plan,
        config,
        weights,
        part / GRAPH_NAME,
        precision=precision,
        on_step=lambda done, total: on_progress(ExportProgress(plan.role, "check", done, total)),
    )
    give_memory_back()
    entries = tuple(FileEntry(f"{plan.role}/{file.name}", file.bytes, file.sha256) for file in files)
    operators = count_operators(part / GRAPH_NAME)
    return Component("onnx", precision, entries, inputs, outputs, tolerance, checks, operators)


def give_memory_back() -> None:
    """Free what is left of a traced graph, which is full of cycles, and what the C library keeps of freed blocks.

    Without this one component's leftovers would count on top of the next one's needs. From the first call on, glibc
    maps every block of a MB or more by itself: left alone it soon takes up to 32 MB from its heap, and a module whose
    parameters are only named once leaves it with gigabytes of holes, which later blocks fill one after the other.
    """
    gc.collect()
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if (trim := getattr(library, "malloc_trim", None)) is not None:  # glibc's
            library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
            trim(0)


def public(config: Config) -> Config:
    """A config without the place that its module was once loaded from: a path of someone's machine."""
    return {name: value for name, value in config.items() if name != "_name_or_path"}
