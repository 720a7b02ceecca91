"""The components of a bundle, each made of graphs of fixed shapes, which share one file of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.targets.lengths import Axes, lengths_of
from edgediff_exporters.targets.request import Wanted
from edgediff_runtimes.bundle import Bundle, Component, FileEntry, FixedGraph, Manifest


def with_fixed_shapes(graphs: Wanted, on_progress: OnProgress, folder: Path, manifest: Manifest) -> Manifest:
    """Write every graph anew for each size, in place of the one for any.

    Args:
        graphs: What for, and in which sizes.
        on_progress: Told every component.
        folder: The bundle's.
        manifest: Of graphs that take any size.

    Raises:
        ExportError: A graph keeps an axis of any length.
    """
    if graphs.target is None:
        return manifest
    lengths = lengths_of(Bundle(folder, manifest), graphs.sizes)
    names = [f"{width}x{height}" for width, height in graphs.sizes]
    components = {}
    for role, component in manifest.components.items():
        on_progress(ExportProgress(role, "fix", 0, 1))
        components[role] = _fixed(component, folder, names, lengths[role])
        on_progress(ExportProgress(role, "fix", 1, 1))
    fixed = replace(manifest, components=components, target=graphs.target.name, sizes=graphs.sizes)
    return graphs.target.finish(folder, fixed, on_progress)


def _fixed(component: Component, folder: Path, names: Sequence[str], lengths: Sequence[Axes]) -> Component:
    graph = folder / component.files[0].path
    different: dict[tuple[tuple[str, int], ...], str] = {}
    for name, axes in zip(names, lengths, strict=True):
        different.setdefault(tuple(sorted(axes.items())), name)
    # What is the same for all sizes, such as a text encoder, keeps its usual name.
    suffixes = [f"_{name}" for name in different.values()] if len(different) > 1 else [""]
    asked = {
        f"{graph.stem}{suffix}{graph.suffix}": dict(axes) for suffix, axes in zip(suffixes, different, strict=True)
    }
    written = quantiser_for(component.format).fix(graph, component.inputs, asked)
    place = graph.parent.name
    return replace(
        component,
        files=tuple(FileEntry(f"{place}/{file.name}", file.bytes, file.sha256) for file in written),
        fixed=tuple(FixedGraph(f"{place}/{name}", axes) for name, axes in asked.items()),
    )
