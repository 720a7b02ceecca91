"""``export``: a trained model in, a bundle out.

Memory: modules are traced without weights, weights are streamed from file to file, and the check runs the module
layer by layer; checking an fp16 graph takes some hundred MB more, because the engine widens each weight in front of
its use. To quantise takes the component's weights in fp32 once; to calibrate and to measure, what drawing with the
fp32 bundle takes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from edgediff_exporters.adapting import Fused, fuse
from edgediff_exporters.advice import advise
from edgediff_exporters.candidate import Order, make_candidate
from edgediff_exporters.component_export import export_component
from edgediff_exporters.growing.beside import adapter_words, grow_beside
from edgediff_exporters.host_time import told_from_outside
from edgediff_exporters.measuring import measure_candidate
from edgediff_exporters.opening import OpenedModel, open_model
from edgediff_exporters.openvino_tokenizer import with_openvino_graph
from edgediff_exporters.precision import calibrated, precision_by_role, precision_options, searched, straight, tools
from edgediff_exporters.preview import can_preview, fit_preview, result_graph
from edgediff_exporters.progress import ExportProgress, OnProgress, ignore
from edgediff_exporters.provenance import provenance
from edgediff_exporters.sources.base import MODEL_INDEX, Source
from edgediff_exporters.staging import staged
from edgediff_exporters.targets.fixing import with_fixed_shapes
from edgediff_exporters.targets.request import Wanted, wanted
from edgediff_exporters.targets.sizes import drawn_at
from edgediff_exporters.tokenizers import write_tokenizer
from edgediff_exporters.trials import TrialOptions, Trials, check_trials, plan_trials
from edgediff_runtimes.adapters import EmbeddingFiles, Loras
from edgediff_runtimes.bundle import MANIFEST_NAME, Bundle, Defaults, Manifest, Provenance, Tokenizer
from edgediff_runtimes.engines import EngineOptions, engine_for
from edgediff_runtimes.errors import TargetError
from edgediff_runtimes.families.latents import TINY
from edgediff_runtimes.quality import Subjects
from edgediff_runtimes.recipe import Recipe

# Inside the staging folder, so that whatever ends an export removes it too.
_WORK, _ADAPTED = ".work", ".adapted"


@final
@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export made: the bundle's directory and its manifest, measured errors included."""

    path: Path
    manifest: Manifest


def export(
    source: str | Path,
    bundle: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the word users know; the builtin is not needed here
    precision: str | Mapping[str, str] | None = None,
    target: str | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
    config: str | Path | None = None,
    components: Mapping[str, str | Path] | None = None,
    defaults: Mapping[str, float] | None = None,
    ip_adapter: str | Path | None = None,
    trials: TrialOptions = TrialOptions(),  # noqa: B008 - frozen
    loras: Loras | None = None,
    embeddings: EmbeddingFiles | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore,
) -> ExportReport:
    """Export a trained model to a bundle; anything but fp32 in ONNX is measured against it.

    Args:
        source: A diffusers directory, a ``.safetensors`` checkpoint as it was trained, or a model's name on the hub.
        bundle: The directory to make. It appears complete or not at all.
        format: The graphs' format, ``onnx`` or ``openvino``; None: the target's, else ``onnx``.
        precision: See ``precision_by_role``; None: the target's, else ``fp32``.
        target: A kind of processor that takes graphs of fixed shapes alone, one of ``targets.TARGETS``.
        sizes: Width and height of its pictures; the first is what the bundle recommends. None: the model's own.
        config: For a checkpoint that does not tell which model it is: a directory, hub name or shipped layout.
        components: Components that come from elsewhere, by their name in the source; see ``with_components``.
        defaults: ``steps``, ``guidance``, ``width`` and ``height`` that the bundle recommends; else the family's.
        ip_adapter: The ``.safetensors`` file of an IP-Adapter; its image encoder is the source's, or lies beside it.
        trials: What is drawn to calibrate and to measure, and the least quality that is asked for.
        loras: LoRA files that are fused into the weights, and their scales.
        embeddings: Files of textual inversion, whose words are added to the tokenizers.
        overwrite: Replace a bundle that is there, once the new one is complete.
        on_progress: Told every step.

    Raises:
        SettingError: An option cannot be applied.
        SourceError: The source is no model that can be exported.
        AdapterError: A LoRA or an embedding cannot be read, or does not fit.
        TargetError: The bundle cannot be written there.
        ToleranceError: A graph strays too far from its module.
        QualityError: The bundle draws worse than was asked for.
        NotInstalledError: A package that writes the format, or the target's files, is missing.
    """
    graphs = wanted(format=format, precision=precision, target=target, sizes=sizes, defaults=defaults, trials=trials)
    opened = _as_taken(open_model(source, config=config, components=components), graphs)
    fused = fuse(opened, loras, embeddings)
    plan = _planned(opened, graphs, defaults or {}, trials, grown=ip_adapter is not None)
    place = _apart(Path(bundle).absolute(), opened.source)
    words = [*_options(plan.graphs, config, opened, defaults, ip_adapter), *fused.words(), *trials.words()]
    with staged(place, overwrite=overwrite) as folder:
        told = provenance(opened.source, place, folder, words, tools=plan.tools())
        described = _described(opened, folder, fused, told, plan)
        order = plan.order(opened, fused.source(opened.source, folder / _ADAPTED))
        made = _with_components(order, folder, described, on_progress)
        manifest = grow_beside(made, folder, opened.source, ip_adapter, on_progress)
        (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return ExportReport(place, manifest)


def _as_taken(opened: OpenedModel, graphs: Wanted) -> OpenedModel:
    """The model as the target takes it."""
    return told_from_outside(opened) if graphs.target is not None and graphs.target.time_outside else opened


@final
@dataclass(frozen=True, slots=True)
class _Plan:
    """What a model is exported as.

    Attributes:
        graphs: Format, target and sizes.
        precisions: By component.
        trials: What is drawn to calibrate and to measure.
        recommended: What the bundle recommends.
    """

    graphs: Wanted
    precisions: Mapping[str, str]
    trials: Trials
    recommended: Defaults

    def tools(self) -> tuple[str, ...]:
        """Packages that make such graphs."""
        own = () if self.graphs.target is None else self.graphs.target.tools
        return (*tools(self.graphs.format, self.precisions.values()), *own)

    def order(self, opened: OpenedModel, weights: Source) -> Order:
        """The components of the model, with weights from ``weights``."""
        return Order(weights, opened.plans, self.graphs, self.precisions, self.trials)


def _planned(
    opened: OpenedModel, graphs: Wanted, defaults: Mapping[str, float], trials: TrialOptions, *, grown: bool
) -> _Plan:
    """What is asked for as what is done, or refused; ``grown``: whether a component is added afterwards."""
    precisions = precision_by_role(graphs.precision, opened.recipe.duties, format_=graphs.format)
    if graphs.target is not None:
        graphs.target.admit(opened.plans, precisions)
    used = {*precisions.values()}
    measured = graphs.format != "onnx" or used != {"fp32"}
    ours = Subjects.of(opened.recipe)
    planned = plan_trials(trials, calibrated=calibrated(used), measured=measured, searched=searched(used), ours=ours)
    recommended, sized = drawn_at(graphs, opened, defaults, trials, grown=grown)
    _check_drawable(planned, opened, recommended)
    if graphs.target is None:
        advise(opened, precisions)
    else:
        advise(opened, precisions, possible=graphs.target.precisions)
    return _Plan(sized, precisions, planned, recommended)


def _with_components(order: Order, folder: Path, described: Manifest, on_progress: OnProgress) -> Manifest:
    if order.trials.evaluation or not straight(order.format, order.precisions.values()):
        manifest = _beside_fp32(order, folder, described, on_progress)
    else:
        manifest = _straight(order, folder, described, on_progress)
        manifest = with_fixed_shapes(order.graphs, order.modules, folder, manifest, on_progress)
    shutil.rmtree(folder / _ADAPTED, ignore_errors=True)
    return manifest


def _check_drawable(planned: Trials, opened: OpenedModel, recommended: Defaults) -> None:
    """Refuse a model whose sampler cannot draw what it recommends, and trials that it cannot draw."""
    opened.scheduler(steps=recommended.steps)
    if planned.steps is not None:
        opened.scheduler(steps=planned.steps)
    check_trials(planned, opened.recipe, recommended)


def _apart(target: Path, source: Source) -> Path:
    """The target, refused where it holds the source: to replace it would delete what the bundle is made from."""
    try:
        place = target.resolve()
    except (OSError, RuntimeError, ValueError):  # no place at all, as `staged` says
        return target
    replaced = [path for part in source.replaced.values() for path in (part.root / part.inner, *part.files)]
    if any(path.resolve().is_relative_to(place) for path in (source.folder, *source.files, *replaced)):
        raise TargetError(f"`{target.name}` holds the source itself: expected another place")
    return target


def _described(opened: OpenedModel, folder: Path, fused: Fused, origin: Provenance, plan: _Plan) -> Manifest:
    """The manifest without components; what stands beside them is written into ``folder``."""
    scheduler, format_ = opened.scheduler(steps=plan.recommended.steps), plan.graphs.format
    _write_configs(opened.source, scheduler, folder)
    return Manifest(
        family=opened.family.name,
        recipe=opened.recipe,
        components={},
        scheduler=scheduler,
        tokenizers=tuple(_tokenizer(opened, name, folder, fused, format_=format_) for name in opened.recipe.tokenizers),
        defaults=plan.recommended,
        provenance=replace(origin, loras=fused.fusions()),
    )


def _straight(order: Order, folder: Path, described: Manifest, on_progress: OnProgress) -> Manifest:
    """The components, each made from the model and from nothing else."""
    components = {
        plan.role: export_component(order.source, plan, folder, order.precisions[plan.role], on_progress)
        for plan in order.plans
    }
    return _with_preview(replace(described, components=components), folder, on_progress)


def _beside_fp32(order: Order, folder: Path, described: Manifest, on_progress: OnProgress) -> Manifest:
    """The components, made from a bundle in fp32 where they need one, and measured against it."""
    work = folder / _WORK
    original = work / "fp32"
    original.mkdir(parents=True)
    for tokenizer in described.tokenizers:
        shutil.copytree(folder / tokenizer.path, original / tokenizer.path)
    fp32 = Bundle(original, _straight(order.exact, original, described, on_progress))
    components, search = make_candidate(order, fp32, folder, work, on_progress)
    manifest = replace(fp32.manifest, components=components)
    manifest = with_fixed_shapes(order.graphs, order.modules, folder, manifest, on_progress)
    if order.trials.evaluation:
        quality = measure_candidate(fp32, Bundle(folder, manifest), folder, order.trials, on_progress)
        manifest = replace(manifest, quality=replace(quality, search=search))
    shutil.rmtree(work)
    return manifest


def _tokenizer(opened: OpenedModel, name: str, folder: Path, fused: Fused, *, format_: str) -> Tokenizer:
    tokenizer = write_tokenizer(opened.source, name, folder, reader=opened.reader(name))
    tokenizer = fused.tokenizer(opened, tokenizer, folder)
    return with_openvino_graph(tokenizer, folder) if format_ == "openvino" else tokenizer


def _write_configs(source: Source, scheduler: dict[str, Any], folder: Path) -> None:
    """Write what optimum and diffusers want to see beside the graphs."""
    (folder / "scheduler").mkdir()
    index = {name: entry for name, entry in source.index.items() if name != TINY}  # which no pipeline of theirs takes
    for path, values in (("scheduler/scheduler_config.json", scheduler), (MODEL_INDEX, index)):
        (folder / path).write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    for licence in sorted(source.folder.glob("LICENSE*")):
        if (found := source.find(licence.name)) is not None:
            shutil.copyfile(found, folder / licence.name)


def _with_preview(manifest: Manifest, folder: Path, on_progress: OnProgress) -> Manifest:
    """With a map from latents to colours, where the result is pictures that one graph makes of latents."""
    stage = manifest.recipe.stages[-1]
    if not can_preview(stage):
        return manifest
    graph = result_graph(stage)
    on_progress(ExportProgress(graph.role, "preview", 0, 1))
    loaded = Bundle(folder, manifest).graph(graph.role)
    with engine_for("onnx").load(loaded, device="cpu", options=EngineOptions(low_memory=True)) as decoder:
        space = replace(stage.space, preview=fit_preview(decoder, stage))
    on_progress(ExportProgress(graph.role, "preview", 1, 1))
    stages = [replace(one, space=space) if one.result == stage.result else one for one in manifest.recipe.stages]
    return replace(manifest, recipe=Recipe(tuple(stages)))


def _options(
    graphs: Wanted,
    config: str | Path | None,
    opened: OpenedModel,
    defaults: Mapping[str, float] | None,
    ip_adapter: str | Path | None,
) -> list[str]:
    """What the command line says after its two arguments, without paths."""
    chosen = [word for name, value in (defaults or {}).items() for word in ("--default", f"{name}={value:g}")]
    parts = [word for role, part in opened.source.replaced.items() for word in ("--component", f"{role}={part.name}")]
    configs = [] if config is None else ["--config", Path(config).name]
    words = [
        *graphs.words(),
        *precision_options(graphs.precision),
        *configs,
        *parts,
        *chosen,
        *adapter_words(ip_adapter, opened.family.name, graphs.format, opened.source),
    ]
    return words if graphs.format == "onnx" else ["--format", graphs.format, *words]
