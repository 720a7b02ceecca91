"""The components of a bundle that is not plain fp32, each made from the fp32 bundle or straight from the model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import final

from edgediff_exporters.component_export import export_component, give_memory_back
from edgediff_exporters.families import ComponentPlan
from edgediff_exporters.mixing import Workshop, mix
from edgediff_exporters.progress import ExportProgress, OnProgress, told
from edgediff_exporters.quantization import Calibration, Quantiser, quantiser_for
from edgediff_exporters.quantization.calibration import record_calibration
from edgediff_exporters.sources.base import Source
from edgediff_exporters.staging import link
from edgediff_exporters.targets.base import Modules, Write
from edgediff_exporters.targets.lengths import lengths_by_suffix
from edgediff_exporters.targets.request import Wanted
from edgediff_exporters.trials import Trials
from edgediff_runtimes.bundle import Bundle, Component, FileEntry, Search
from edgediff_runtimes.precisions import precision_of
from edgediff_runtimes.quality import Runner


@final
@dataclass(frozen=True, slots=True)
class Order:
    """What a candidate is made of.

    Attributes:
        source: The model.
        plans: Its components.
        graphs: Their format and target.
        precisions: By component.
        trials: What to calibrate with.
    """

    source: Source
    plans: Sequence[ComponentPlan]
    graphs: Wanted
    precisions: Mapping[str, str]
    trials: Trials

    @property
    def format(self) -> str:
        """The graphs' format."""
        return self.graphs.format

    @property
    def modules(self) -> Modules:
        """What the graphs are of."""
        return Modules(self.source, self.plans)

    @property
    def exact(self) -> Order:
        """The same model as ONNX graphs in fp32 that take any shape."""
        return replace(self, graphs=Wanted("onnx", "fp32"), precisions=dict.fromkeys(self.precisions, "fp32"))


def make_candidate(
    order: Order, fp32: Bundle, folder: Path, work: Path, on_progress: OnProgress
) -> tuple[dict[str, Component], Search | None]:
    """Write every component; the one that is searched for last, because its pictures are the whole candidate's.

    Args:
        order: What to make.
        fp32: The bundle of the model in fp32.
        folder: The candidate's.
        work: A place for what is removed afterwards.
        on_progress: Told every step.

    Returns:
        The components, and how ``mixed`` was found.
    """
    if (target := order.graphs.target) is not None and target.writer is not None:
        return _written(order, target.writer(), fp32, folder, on_progress), None
    calibrated = [role for role, precision in order.precisions.items() if precision_of(precision).calibrated]
    feeds = _calibration(order.trials, fp32, work / "calibration", calibrated, on_progress) if calibrated else {}
    quantiser = quantiser_for(order.format)
    components: dict[str, Component] = {}
    search = None
    for plan in sorted(order.plans, key=lambda plan: precision_of(order.precisions[plan.role]).searched):
        precision = order.precisions[plan.role]
        if order.format == "onnx" and precision == "fp32":
            components[plan.role] = _linked(fp32, plan.role, folder)
        elif precision_of(precision).searched:
            graph, calls = fp32.graph(plan.role).path, feeds[plan.role]
            write = partial(quantised, quantiser, fp32, plan.role, folder, precision=precision, feeds=calls)
            workshop = Workshop(plan.role, quantiser.layers(graph), write, fp32, components, folder=folder, work=work)
            components[plan.role], search = mix(workshop, order.trials, on_progress)
        elif precision in quantiser.precisions:
            on_progress(ExportProgress(plan.role, "quantise", 0, 1))
            components[plan.role] = quantised(
                quantiser, fp32, plan.role, folder, precision=precision, feeds=feeds.get(plan.role)
            )
            on_progress(ExportProgress(plan.role, "quantise", 1, 1))
        else:
            components[plan.role] = export_component(order.source, plan, folder, precision, on_progress)
        give_memory_back()
    return {plan.role: components[plan.role] for plan in order.plans}, search


def quantised(
    quantiser: Quantiser,
    fp32: Bundle,
    role: str,
    folder: Path,
    keep: Sequence[str] = (),
    *,
    precision: str,
    feeds: Calibration | None,
) -> Component:
    """Write one component from its fp32 graph; see ``Quantiser.quantise``."""
    origin = fp32.manifest.components[role]
    part = folder / role
    part.mkdir()
    graph = fp32.graph(role).path
    files = quantiser.quantise(graph, part, precision=precision, feeds=feeds, keep=keep)
    shutil.copyfile(graph.with_name("config.json"), part / "config.json")
    return replace(
        origin,
        format=quantiser.format,
        precision=precision,
        files=tuple(FileEntry(f"{role}/{file.name}", file.bytes, file.sha256) for file in files),
        inputs=quantiser.inputs(origin.inputs),
        tolerance=None,
        checks=(),
        operators=quantiser.count(part / files[0].name),
        weights=quantiser.weights(graph, part / files[0].name),
    )


def _written(order: Order, write: Write, fp32: Bundle, folder: Path, on_progress: OnProgress) -> dict[str, Component]:
    """Every component for each of the target's sizes, straight from the model."""
    lengths, uses, components = lengths_by_suffix(fp32, order.graphs.sizes), fp32.manifest.recipe.graphs(), {}
    for plan in order.plans:
        role, known = plan.role, fp32.manifest.components[plan.role]
        taken = {name for use in uses if use.role == role for name in use.takes}
        open_ = replace(known, outputs=tuple(spec for spec in known.outputs if spec.name in taken))
        components[role] = write(
            order.source,
            plan,
            open_,
            folder,
            precision=order.precisions[role],
            asked=lengths[role],
            on_progress=on_progress,
        )
        give_memory_back()
    return components


def _calibration(
    trials: Trials, fp32: Bundle, folder: Path, roles: Sequence[str], on_progress: OnProgress
) -> dict[str, Calibration]:
    return record_calibration(
        Runner(fp32),
        folder,
        roles=roles,
        prompts=trials.calibration,
        pictures=trials.calibration_pictures,
        steps=trials.steps,
        width=trials.width,
        height=trials.height,
        on_progress=told(on_progress, "calibrate"),
    )


def _linked(fp32: Bundle, role: str, folder: Path) -> Component:
    """The component as it is, under a second name."""
    shutil.copytree(fp32.path / role, folder / role, copy_function=link)
    return fp32.manifest.components[role]
