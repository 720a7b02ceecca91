"""The packages of a bundle: one beside each graph of fixed shapes, checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgediff_exporters.component_export import give_memory_back
from edgediff_exporters.coreml.checking import check_package
from edgediff_exporters.coreml.package import write_package
from edgediff_exporters.coreml.program import capture, fixed_plan
from edgediff_exporters.loaded_module import loaded_module
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.targets.base import Modules
from edgediff_runtimes.bundle import Component, FileEntry, FixedGraph, Manifest, Package, sha256_of
from edgediff_runtimes.engines.coreml_names import package_of


def with_packages(folder: Path, manifest: Manifest, modules: Modules, on_progress: OnProgress) -> Manifest:
    """Write a package for every graph of every component. A component's weights are in memory meanwhile, several times.

    Args:
        folder: The bundle's.
        manifest: Of graphs of fixed shapes.
        modules: What they are of.
        on_progress: Told every package.

    Raises:
        ExportError: A component has what coremltools does not convert, or what cannot be checked here.
        ToleranceError: A package strays too far from its module.
    """
    components = {}
    for role, component in manifest.components.items():
        components[role] = _with_packages(folder, role, component, modules, on_progress)
        give_memory_back()
    return replace(manifest, components=components)


def _with_packages(
    folder: Path, role: str, component: Component, modules: Modules, on_progress: OnProgress
) -> Component:
    (plan,) = (plan for plan in modules.plans if plan.role == role)
    weights = modules.source.weights(plan.origin).renamed(plan.rename)
    module = loaded_module(plan, modules.source.config(plan.origin), weights)
    graphs: list[FixedGraph] = []
    for graph in component.fixed:
        on_progress(ExportProgress(role, "convert", len(graphs), len(component.fixed)))
        path = package_of(folder / graph.file)
        fixed = fixed_plan(plan, graph.axes)
        captured = capture(fixed, module)
        write_package(fixed, captured, path, precision=component.precision)
        error = check_package(fixed, captured, path, precision=component.precision)
        graphs.append(replace(graph, package=Package(_files(path, folder), error)))
    on_progress(ExportProgress(role, "convert", len(graphs), len(graphs)))
    return replace(component, fixed=tuple(graphs))


def _files(path: Path, folder: Path) -> tuple[FileEntry, ...]:
    found = sorted(file for file in path.rglob("*") if file.is_file())
    return tuple(FileEntry(file.relative_to(folder).as_posix(), file.stat().st_size, sha256_of(file)) for file in found)
