"""``export``: a trained model in, a bundle out."""

from __future__ import annotations

import ctypes
import gc
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import final

from edgediff_exporters.counting import count_operators
from edgediff_exporters.families import ComponentPlan, Family, family_of
from edgediff_exporters.families.base import Config
from edgediff_exporters.graph_file import GRAPH_NAME, write_graph
from edgediff_exporters.passes import simplify
from edgediff_exporters.passes.attach_weights import attach_weights
from edgediff_exporters.precision import computes_in, precision_by_role, precision_options, stored_as
from edgediff_exporters.preview import fit_preview
from edgediff_exporters.progress import ExportProgress, OnProgress, ignore
from edgediff_exporters.provenance import provenance
from edgediff_exporters.sources import open_source
from edgediff_exporters.sources.base import MODEL_INDEX, Source, read_json
from edgediff_exporters.staging import staged
from edgediff_exporters.tokenizers import write_tokenizer
from edgediff_exporters.tracing import trace
from edgediff_exporters.verification import verify
from edgediff_runtimes.bundle import MANIFEST_NAME, Component, Defaults, FileEntry, Latents, Manifest
from edgediff_runtimes.bundle.fields import Fields
from edgediff_runtimes.engines import EngineOptions, Graph, engine_for
from edgediff_runtimes.errors import ManifestError, SettingError, SourceError, TargetError

_FORMATS = ("onnx",)


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
    format: str = "onnx",  # noqa: A002 - the word users know; the builtin is not needed here
    precision: str | Mapping[str, str] = "fp32",
    config: str | Path | None = None,
    defaults: Mapping[str, float] | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore,
) -> ExportReport:
    """Export a trained model to a bundle.

    Memory: modules are traced without weights, weights are streamed from file to file, and the check runs the module
    layer by layer; only checking an fp16 graph takes more, because the engine widens its weights.

    Args:
        source: A directory that diffusers' ``save_pretrained`` wrote, one ``.safetensors`` checkpoint in the original
            Stable Diffusion 1.x layout, or the name of a model on the Hugging Face hub.
        bundle: The directory to make. It appears complete or not at all.
        format: The graphs' format: ``onnx``.
        precision: ``fp32``, ``fp16``, ``w16`` or ``w8``, for all components or by component (``*``: all others).
        config: For a single checkpoint: a diffusers directory or hub name with the configs and tokenizer it lacks.
        defaults: ``steps``, ``guidance``, ``width`` and ``height`` that the bundle recommends; else the family's.
        overwrite: Replace a bundle that is there, once the new one is complete.
        on_progress: Told every step.

    Raises:
        SettingError: The format or a precision is unknown, or a default is not of its kind.
        SourceError: The source is no model that can be exported.
        TargetError: The bundle cannot be written there.
        ToleranceError: A graph strays too far from its module.
    """
    if format not in _FORMATS:
        raise SettingError("format", got=format, expected=f"one of {', '.join(_FORMATS)}")
    model, family, plans = _opened(source, config)
    precisions = precision_by_role(precision, [plan.role for plan in plans])
    recommended = _recommended(family.defaults(model), defaults or {})
    target = Path(bundle)
    if model.folder.resolve().is_relative_to(target.resolve()):
        raise TargetError(f"`{target.name}` holds the source itself: expected another place")
    with staged(target, overwrite=overwrite) as folder:
        scheduler, tokenizer = _copy_configs(model, folder), write_tokenizer(model, "tokenizer", folder)
        components = {
            plan.role: _export_component(model, plan, folder, precisions[plan.role], on_progress) for plan in plans
        }
        manifest = Manifest(
            family=family.name,
            tasks=family.tasks(model),
            components=components,
            scheduler=scheduler,
            latents=_with_preview(family.latents(model), folder, on_progress),
            tokenizers=(tokenizer,),
            defaults=recommended,
            provenance=provenance(model, target, folder, _options(precision, config, defaults)),
        )
        (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return ExportReport(target.absolute(), manifest)


def _opened(source: str | Path, config: str | Path | None) -> tuple[Source, Family, tuple[ComponentPlan, ...]]:
    model = open_source(source, config=config)
    family = family_of(model.index["_class_name"])
    plans = family.components(model)
    for plan in plans:
        model.weights(plan.origin)  # nothing is read yet, but what is missing or damaged shows now, not in ten minutes
    return model, family, plans


def _export_component(
    source: Source, plan: ComponentPlan, folder: Path, precision: str, on_progress: OnProgress
) -> Component:
    config = source.config(plan.origin)
    weights = source.weights(plan.origin).renamed(plan.rename)
    on_progress(ExportProgress(plan.role, "trace", 0, 1))
    traced = trace(plan, config, dtype=computes_in(precision))
    simplify(traced.model, traced.symbols)
    on_progress(ExportProgress(plan.role, "trace", 1, 1))
    tensors = {**traced.constants, **weights.tensors}
    attach_weights(traced.model, tensors, storage=stored_as(precision), where=plan.role)
    part = folder / plan.role
    part.mkdir()

    def on_bytes(done: int, total: int) -> None:
        weights.drop_pages()
        on_progress(ExportProgress(plan.role, "write", done, total))

    files = write_graph(traced.model, part, on_bytes=on_bytes)
    del traced
    _give_memory_back()
    (part / "config.json").write_text(json.dumps(_public(config), indent=2) + "\n", encoding="utf-8")
    tolerance = plan.tolerances[precision]
    checks, inputs, outputs = verify(
        plan,
        config,
        weights,
        part / GRAPH_NAME,
        tolerance=tolerance,
        on_step=lambda done, total: on_progress(ExportProgress(plan.role, "check", done, total)),
    )
    _give_memory_back()
    entries = tuple(FileEntry(f"{plan.role}/{file.name}", file.bytes, file.sha256) for file in files)
    operators = count_operators(part / GRAPH_NAME)
    return Component("onnx", precision, entries, inputs, outputs, tolerance, checks, operators)


def _give_memory_back() -> None:
    """Free what is left of a traced graph, which is full of cycles, and what the C library keeps of freed blocks.

    Without this one component's leftovers would count on top of the next one's needs.
    """
    gc.collect()
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc's
        trim(0)


def _public(config: Config) -> Config:
    """A config without the place that its module was once loaded from, which is nobody's business."""
    return {name: value for name, value in config.items() if name != "_name_or_path"}


def _copy_configs(source: Source, folder: Path) -> dict[str, object]:
    """Copy what optimum and diffusers want to see beside the graphs; give back the scheduler's config."""
    scheduler = source.folder / "scheduler" / "scheduler_config.json"
    if not scheduler.is_file():
        raise SourceError(
            f"the component `scheduler` is missing from `{source.name}`: expected `scheduler/scheduler_config.json`"
        )
    (folder / "scheduler").mkdir()
    shutil.copyfile(scheduler, folder / "scheduler" / scheduler.name)
    (folder / MODEL_INDEX).write_text(json.dumps(source.index, indent=2) + "\n", encoding="utf-8")
    for licence in sorted(source.folder.glob("LICENSE*")):
        shutil.copyfile(licence, folder / licence.name)
    return read_json(scheduler)


def _with_preview(latents: Latents, folder: Path, on_progress: OnProgress) -> Latents:
    on_progress(ExportProgress("vae_decoder", "preview", 0, 1))
    graph = Graph("vae_decoder", folder / "vae_decoder" / GRAPH_NAME, "onnx")
    with engine_for("onnx").load(graph, device="cpu", options=EngineOptions(low_memory=True)) as decoder:
        fitted = replace(latents, preview=fit_preview(decoder, latents))
    on_progress(ExportProgress("vae_decoder", "preview", 1, 1))
    return fitted


def _recommended(defaults: Defaults, given: Mapping[str, float]) -> Defaults:
    values = asdict(defaults)
    try:
        if unknown := sorted(given.keys() - values.keys()):
            raise SettingError("defaults", got=unknown[0], expected=f"one of {', '.join(values)}")
        return Defaults.read(Fields({**values, **given}, "defaults"))
    except ManifestError as error:
        raise SettingError("defaults", got=dict(given), expected="a number for guidance and whole ones else") from error


def _options(
    precision: str | Mapping[str, str], config: str | Path | None, defaults: Mapping[str, float] | None
) -> list[str]:
    """What the command line says after its two arguments, without paths."""
    chosen = [word for name, value in (defaults or {}).items() for word in ("--default", f"{name}={value:g}")]
    return [*precision_options(precision), *([] if config is None else ["--config", Path(config).name]), *chosen]
