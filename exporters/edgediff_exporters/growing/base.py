"""How a bundle grows: new components, a network's graph that takes what they give, a recipe that feeds it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from edgediff_exporters.candidate import quantised
from edgediff_exporters.component_export import export_component
from edgediff_exporters.families import ComponentPlan
from edgediff_exporters.graph_file import WrittenFile
from edgediff_exporters.openings import Opening, Places
from edgediff_exporters.precision import check_precisions
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.sources.base import Part, Source
from edgediff_exporters.weights import Weights
from edgediff_runtimes.bundle import Bundle, Component, FileEntry, Manifest, Origin
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.families.control import CONTROLNET, controlnets
from edgediff_runtimes.precisions import precision_of
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.tensors import TensorSpec

# Those with a U-Net, which takes T2I-Adapters and IP-Adapters too.
FAMILIES = ("stable-diffusion", "stable-diffusion-xl")
_WITHOUT_CALLS = "w8"  # for bundles whose network was calibrated
_WORK = ".work"


@final
@dataclass(frozen=True, slots=True)
class Growth:
    """What a bundle grows by.

    Attributes:
        name: What it comes from is called. Never a path.
        precision: Of the new components.
        model: Has them.
        plans: Of their graphs.
        inputs: What the network takes more; those that it takes already are left out.
        open_network: Writes the network's graph anew into a folder: arguments are its file and the folder.
        grown: The bundle's recipe with them.
        origins: Where they come from, by role.
    """

    name: str
    precision: str
    model: Source
    plans: tuple[ComponentPlan, ...]
    inputs: tuple[TensorSpec, ...]
    open_network: Callable[[Path, Path], Sequence[WrittenFile]]
    grown: Callable[[Recipe], Recipe]
    origins: Mapping[str, Origin]

    def write(self, bundle: Bundle, folder: Path, on_progress: OnProgress) -> Manifest:
        """Write what is new, and what changes, beside the other files of a bundle.

        Args:
            bundle: As it is.
            folder: Where the grown one is made, with all its files but the manifest.
            on_progress: Told every step.

        Returns:
            The grown bundle's manifest.
        """
        manifest = bundle.manifest
        format_ = manifest.components[manifest.recipe.network.role].format
        components = dict(manifest.components)
        for plan in self.plans:
            components[plan.role] = self._component(plan, format_, bundle, folder, on_progress)
        if self.inputs:
            components[manifest.recipe.network.role] = self._network(bundle, folder)
        return replace(manifest, components=components, recipe=self.grown(manifest.recipe))

    def _component(
        self, plan: ComponentPlan, format_: str, bundle: Bundle, folder: Path, on_progress: OnProgress
    ) -> Component:
        if format_ == "onnx":
            return export_component(self.model, plan, folder, self.precision, on_progress)
        work = folder / _WORK
        work.mkdir()
        exact = export_component(self.model, plan, work, "fp32", on_progress)
        fp32 = Bundle(work, replace(bundle.manifest, components={plan.role: exact}))
        on_progress(ExportProgress(plan.role, "quantise", 0, 1))
        made = quantised(quantiser_for(format_), fp32, plan.role, folder, precision=self.precision, feeds=None)
        on_progress(ExportProgress(plan.role, "quantise", 1, 1))
        shutil.rmtree(work)
        return made

    def _network(self, bundle: Bundle, folder: Path) -> Component:
        """The network with its new inputs; only files that change are written anew."""
        role = bundle.manifest.recipe.network.role
        network = bundle.manifest.components[role]
        work = folder / _WORK
        work.mkdir()
        entries = {entry.path: entry for entry in network.files}
        for file in self.open_network(bundle.graph(role).path, work):
            path = f"{role}/{file.name}"
            (work / file.name).replace(folder / path)  # the old file keeps its own name in the old bundle
            entries[path] = FileEntry(path, file.bytes, file.sha256)
        work.rmdir()
        return replace(network, files=tuple(entries.values()), inputs=(*network.inputs, *self.inputs))


@final
@dataclass(frozen=True, slots=True)
class Fitting:
    """A component that fits a network.

    Attributes:
        plan: Of its graph.
        places: Where the network's arrays can be added to.
        openings: At which of them what it gives is added.
        grown: The recipe with it.
    """

    plan: ComponentPlan
    places: Places
    openings: tuple[Opening, ...]
    grown: Callable[[Recipe], Recipe]


def numbered(role: str, before: int) -> str:
    """The role of one more of its kind: ``controlnet``, ``controlnet_2`` ..."""
    return role if not before else f"{role}_{before + 1}"


def next_role(recipe: Recipe) -> str:
    """The role of one more ControlNet."""
    return numbered(CONTROLNET, len(controlnets(recipe)))


def nothing_of(name: str, folder: Path, parts: Mapping[str, Part]) -> Source:
    """A source that has nothing but components that come from elsewhere.

    Args:
        name: What to call it.
        folder: Any directory.
        parts: Its components.
    """
    files = tuple(file for part in parts.values() for file in part.files)
    return Source(name, folder, {}, lambda _: Weights({}, ()), files, replaced=parts)


def precision_beside(asked: str | None, network: Component) -> str:
    """The precision of what is added to a network.

    Args:
        asked: What a caller asks for; None: the network's, or one that suits it.
        network: The network.

    Raises:
        SettingError: The precision is unknown, or needs calls to calibrate with.
    """
    if asked is None:
        return _WITHOUT_CALLS if precision_of(network.precision).calibrated else network.precision
    check_precisions({"*": asked}, format_=network.format)
    if precision_of(asked).calibrated:
        expected = f"one that needs no calls to calibrate with, such as `{_WITHOUT_CALLS}`"
        raise SettingError("precision", got=asked, expected=expected)
    return asked
