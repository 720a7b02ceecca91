"""The components of a bundle, each made of graphs of fixed shapes, which share one file of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.targets.base import Axes, Modules
from edgediff_exporters.targets.lengths import lengths_by_suffix
from edgediff_exporters.targets.request import Wanted
from edgediff_runtimes.bundle import Bundle, Component, FileEntry, FixedGraph, Manifest


def with_fixed_shapes(
    graphs: Wanted, modules: Modules, folder: Path, manifest: Manifest, on_progress: OnProgress
) -> Manifest:
    """Write every graph anew for each size, in place of the one for any.

    Args:
        graphs: What for, and in which sizes.
        modules: What the graphs are of.
        folder: The bundle's.
        manifest: Of graphs that take any size, or that were written for these.
        on_progress: Told every component.

    Raises:
        ExportError: A graph keeps an axis of any length.
    """
    target = graphs.target
    if target is None:
        return manifest
    components = dict(manifest.components)
    if target.writer is None:
        for role, asked in lengths_by_suffix(Bundle(folder, manifest), graphs.sizes).items():
            on_progress(ExportProgress(role, "fix", 0, 1))
            components[role] = _fixed(components[role], folder, asked)
            on_progress(ExportProgress(role, "fix", 1, 1))
    fixed = replace(manifest, components=components, target=target.name, sizes=graphs.sizes)
    return target.finish(folder, fixed, modules, on_progress)


def _fixed(component: Component, folder: Path, lengths: Mapping[str, Axes]) -> Component:
    graph = folder / component.files[0].path
    asked = {f"{graph.stem}{suffix}{graph.suffix}": axes for suffix, axes in lengths.items()}
    written = quantiser_for(component.format).fix(graph, component.inputs, asked)
    place = graph.parent.name
    return replace(
        component,
        files=tuple(FileEntry(f"{place}/{file.name}", file.bytes, file.sha256) for file in written),
        fixed=tuple(FixedGraph(f"{place}/{name}", axes) for name, axes in asked.items()),
    )
