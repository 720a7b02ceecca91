"""What a program calls: load a bundle, export one, verify one."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from edgediff.verification import Verification
from edgediff_runtimes.adapters import EmbeddingFiles, Loras
from edgediff_runtimes.bundle import Bundle, ProvedReuse, QualityReport
from edgediff_runtimes.components import Computed
from edgediff_runtimes.engines import Engine, get_engine
from edgediff_runtimes.enlarger import Enlarger
from edgediff_runtimes.errors import BundleNotFoundError, HubError, NotInstalledError, SettingError
from edgediff_runtimes.hub import is_hub_name, snapshot
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import ByRole, Placement, Residency, named_engines
from edgediff_runtimes.quality import OnProgress, Reference, Runner, check_claims, check_record, measure
from edgediff_runtimes.quality.claims import Figure
from edgediff_runtimes.quality.making import ignore
from edgediff_runtimes.tuning import check_reuse

if TYPE_CHECKING:
    from typing_extensions import Unpack  # typing's own came with Python 3.11

    from edgediff_exporters import ExportProgress, ExportReport

_NOT_OF_THE_MODEL = "the source's family has no such component"
_MODELS = Path(__file__).parent / "models"
# Of a bundle on the hub; weights in other formats may lie beside them.
_BUNDLE_FILES = (
    *("*.json", "*.md", "*.txt", "LICENSE*", "*.npz"),
    *("*.onnx", "*.onnx_data", "*openvino_*.xml", "*openvino_*.bin", "*.ncnn.param", "*.ncnn.bin"),
    "*.mlpackage/*",
)


def shipped_models() -> tuple[str, ...]:
    """Names of the models that came with the package."""
    return tuple(sorted(path.name for path in _MODELS.iterdir() if path.is_dir())) if _MODELS.is_dir() else ()


def is_shipped(bundle: Bundle) -> bool:
    """Whether a bundle is one of those that came with the package, by whatever name it was opened."""
    return bundle.path.resolve().parent == _MODELS.resolve()


def open_bundle(bundle: str | Path) -> Bundle:
    """Open a bundle by the name of a shipped model, by its directory, or by its id on the hub.

    A ``Path``, and a text with a separator such as ``./emoji``, is a directory; ``owner/model`` is one of the hub where
    there is no such directory, and is fetched with what ``huggingface_hub`` keeps in its cache.

    Raises:
        BundleError: There is none, or it is not valid.
        SettingError: ``bundle`` is neither a text nor a path.
    """
    if not isinstance(bundle, str | os.PathLike):
        raise SettingError("bundle", got=bundle, expected="a directory or the name of a shipped model")
    if isinstance(bundle, str) and bundle in shipped_models():
        return Bundle.open(_MODELS / bundle)
    try:
        return Bundle.open(bundle)
    except BundleNotFoundError as error:
        if isinstance(bundle, str) and is_hub_name(bundle) and not Path(bundle).exists():
            return Bundle.open(_fetched(bundle))
        raise BundleNotFoundError(bundle, shipped=shipped_models()) from error


def _fetched(name: str) -> Path:
    """The directory of a bundle on the hub."""
    try:
        folder = snapshot(name, allow=_BUNDLE_FILES)
    except HubError as error:
        raise BundleNotFoundError(name, shipped=shipped_models(), hub=error.reason, hint=error.hint) from error
    if not any(folder.glob("*/*.onnx")) and not any(folder.glob("*/*.xml")):
        hint = f'`edgediff.export("{name}", bundle)` makes a bundle of it'
        raise BundleNotFoundError(name, hub="that one has no graphs", hint=hint)
    return folder


def load(
    bundle: str | Path,
    *,
    device: ByRole[str] = "auto",
    engine: ByRole[Engine | str | None] = None,
    execution: ByRole[str | None] = None,
    threads: ByRole[int | None] = None,
    low_memory: bool = False,
    residency: Residency | None = None,
    split_guidance: bool = False,
    strict: bool = False,
    static: tuple[int, int] | None = None,
    enlarger: str | Path | None = None,
    loras: Loras | None = None,
    embeddings: EmbeddingFiles | None = None,
) -> Pipeline:
    """Make a pipeline from a bundle.

    ``device``, ``engine``, ``execution`` and ``threads`` are for all components, or by component, such as
    ``{"unet": "gpu", "vae_decoder": "cpu"}``; ``*`` stands for all others.

    Args:
        bundle: A directory, the name of a shipped model, or the id of a bundle on the hub.
        device: A device of the engine; ``auto`` takes its default.
        engine: An engine or its name; None takes the default for the bundle's format, or the first with the device.
        execution: What floats are computed in: ``f32``, ``bf16`` or ``f16``; None: what the precision asks.
        threads: Threads that compute one graph; None leaves it to the engine.
        low_memory: Trade time for memory inside the engine, see ``EngineOptions``.
        residency: ``resident`` keeps components between runs, ``sequential`` frees each as soon as it is not needed;
            None: the first where memory holds all of them, else the second, with a warning.
        split_guidance: Make the two calls of guidance one after the other: less memory.
        strict: A component that returns NaN or infinity in less than f32 is an error; else it is computed again in f32.
            With ``reuse``, all network calls are made from a jump of the prediction error on.
        static: Width and height of all pictures, in pixels: OpenVINO compiles for this size alone and refuses others;
            ONNX Runtime, which gains nothing by it, refuses ``static``. None: any.
        enlarger: An ONNX file that enlarges pictures, such as ESRGAN's: what ``enlarge`` draws anew is enlarged by it,
            in tiles, and then resized to the size that is asked for; None: by Lanczos.
        loras: LoRA files and their scales, such as ``{"style.safetensors": 0.8}``; see ``Pipeline.set_loras``.
        embeddings: Files of textual inversion, see ``Pipeline.set_embeddings``.

    Returns:
        A pipeline; close it or use it as a context manager.

    Raises:
        BundleError: There is no valid bundle.
        SettingError: An option has no such value, or names a component that the bundle has not.
        DeviceError: The engine does not reach the device.
        NotInstalledError: The engine's package is missing.
        AdapterError: A LoRA or an embedding cannot be read, or does not fit the model.
    """
    where = named_engines(engine), device, execution, threads
    placement = Placement(*where, low_memory=low_memory, residency=residency, strict=strict, static=static)
    opened = open_bundle(bundle)
    with_graph = None if enlarger is None else Enlarger(enlarger, threads=threads if isinstance(threads, int) else None)
    with _closed_on_failure(with_graph):
        return Pipeline(
            opened, placement, split_guidance=split_guidance, enlarger=with_graph, loras=loras, embeddings=embeddings
        )


@contextlib.contextmanager
def _closed_on_failure(enlarger: Enlarger | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if enlarger is not None:
            enlarger.close()
        raise


class TrialKeywords(TypedDict, total=False):
    """What an export draws to calibrate and to measure, and the least quality that is asked for.

    Attributes:
        calibrate: Prompts, or a text file with one a line, to calibrate ``int8`` and ``mixed`` with; default: ours.
        calibration_pictures: How many pictures are drawn with them; default: one per prompt of yours, 12 of ours.
        evaluate: Prompts, or a text file, to measure the bundle with; default: ours.
        evaluation_pictures: How many pictures are drawn with them, 0 to measure nothing; default: one per prompt.
        trial_steps: Sampling steps of all these pictures; default: the bundle's.
        trial_size: Width and height of all these pictures; default: the bundle's.
        min_psnr: The least mean PSNR of the pictures against fp32's, in dB; else the export fails.
        min_ssim: The least mean SSIM, likewise.
        search_minutes: How long ``mixed`` may search for the layers to leave in float; default: 10.
    """

    calibrate: str | Path | Sequence[str] | None
    calibration_pictures: int | None
    evaluate: str | Path | Sequence[str] | None
    evaluation_pictures: int | None
    trial_steps: int | None
    trial_size: tuple[int, int] | None
    min_psnr: float | None
    min_ssim: float | None
    search_minutes: float | None


def export(
    source: str | Path,
    bundle: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the field's word for it
    precision: str | Mapping[str, str] | None = None,
    target: str | None = None,
    sizes: Sequence[tuple[int, int]] | None = None,
    config: str | Path | None = None,
    components: Mapping[str, str | Path] | None = None,
    defaults: Mapping[str, float] | None = None,
    loras: Loras | None = None,
    embeddings: EmbeddingFiles | None = None,
    ip_adapter: str | Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[ExportProgress], None] = lambda _: None,
    **trials: Unpack[TrialKeywords],
) -> ExportReport:
    """Turn a trained model into a bundle. Needs the ``export`` extra.

    Anything but fp32 in ONNX is measured against it, see ``docs/quality.md``. ``docs/export.md`` tells the precisions.

    Args:
        source: A diffusers directory, a single ``.safetensors`` checkpoint, or the id of a model on the hub.
        bundle: The directory to write; it appears whole or not at all.
        format: ``onnx`` or ``openvino``; None: the target's, else ``onnx``.
        precision: ``fp32``, ``fp16``, ``bf16``, ``w16``, ``w8``, ``w4``, ``int8``, ``mixed`` or ``a16w8`` for all
            components, or by component; ``*`` stands for all others. None: the target's, else ``fp32``.
        target: What takes fixed shapes alone: ``coreml``, ``ncnn``, ``openvino-npu``, ``qnn``; see ``docs/export.md``.
        sizes: Width and height of the pictures that its graphs draw, the first by default; None: the model's own.
        config: For a checkpoint that does not tell its model: a diffusers directory that does, or ``sd2-v`` or so.
        components: Components that come from elsewhere, by their name in the source, such as ``{"vae": folder}``: a
            directory with config and weights, a model (directory or hub id) that has it, or a ``.safetensors`` file.
        defaults: ``steps``, ``guidance``, ``width``, ``height`` that the bundle recommends; else the family's.
        loras: LoRA files that are fused into the weights, and their scales, such as ``{"style.safetensors": 0.8}``.
        embeddings: Files of textual inversion, whose words the bundle knows.
        ip_adapter: The ``.safetensors`` file of an IP-Adapter; its image encoder is the source's, or lies beside it.
        overwrite: Replace an existing bundle, once the new one is complete.
        on_progress: Told every step.
        **trials: What is drawn to calibrate and to measure, and the least quality asked for, see ``TrialKeywords``.

    Returns:
        What was written and measured.

    Raises:
        NotInstalledError: The ``export`` extra is missing.
        SettingError: An option cannot be applied, or would have no effect.
        SourceError: The source cannot be exported.
        AdapterError: A LoRA or an embedding cannot be read, or does not fit the model.
        TargetError: The bundle cannot be written there.
        ToleranceError: A graph does not do what its module does.
        QualityError: The bundle draws worse than was asked for.
    """
    made: dict[str, Any] = {"format": format, "precision": precision, "target": target, "sizes": sizes}
    made |= {"defaults": defaults, "trials": _exporter("TrialOptions")(**trials), "overwrite": overwrite}
    _exporter("check_request")(source, bundle, **made)
    given = {"config": config, "components": components, "loras": loras, "embeddings": embeddings}
    made |= {**given, "ip_adapter": ip_adapter, "on_progress": on_progress}
    report: ExportReport = _exporter("export")(source, bundle, **made)
    return report


def add(
    source: str | Path,
    bundle: str | Path,
    *,
    precision: str | None = None,
    components: Mapping[str, str | Path] | None = None,
    on_progress: Callable[[ExportProgress], None] = lambda _: None,
) -> ExportReport:
    """Add a ControlNet, T2I-Adapter or IP-Adapter to a bundle. Needs the ``export`` extra.

    Nothing else is exported again. Without a picture for what is new the bundle draws what it drew before.

    Args:
        source: A directory or a hub id of a ControlNet or a ``T2IAdapter`` of diffusers'; or an IP-Adapter's file.
        bundle: The bundle's directory; it stays as it is until the grown one is complete.
        precision: Of what is new; None: the network's, or ``w8`` where that was calibrated.
        components: ``image_encoder``: the directory of an IP-Adapter's; None: the one beside its file.
        on_progress: Told every step.

    Raises:
        NotInstalledError: The ``export`` extra is missing.
        BundleError: There is no valid bundle.
        SettingError: The precision cannot be applied, or there is no such component.
        SourceError: The source is none for this bundle.
        TargetError: The bundle cannot be written there.
        ToleranceError: The graph does not do what its module does.
    """
    given = {"components": components, "on_progress": on_progress}
    report: ExportReport = _exporter("add")(source, bundle, precision=precision, **given)
    return report


def verify(
    bundle: str | Path,
    *,
    against: str | Path | None = None,
    config: str | Path | None = None,
    components: Mapping[str, str | Path] | None = None,
    engine: ByRole[Engine | str | None] = None,
    device: ByRole[str] | None = None,
    quick: bool = False,
    on_progress: OnProgress = ignore,
) -> Verification:
    """Check that a bundle is what was exported, that its graphs load, and that it is as good as its manifest says.

    Quality is measured again, with the engine and on the device that the manifest names, against the record of fp32's
    pictures that the bundle carries; a bundle without one claims no quality.

    Args:
        bundle: A directory, or the name of a shipped model.
        against: The source it was exported from: every graph is compared with its module again, and its operators with
            what the manifest says of them (needs ``export``).
        config: As in ``export``, for a single-file source.
        components: As in ``export``.
        engine: An engine or its name, to load, compare and measure with, for all components or by component; None
            takes the default engine of each graph's format, and to measure the one that the manifest names.
        device: A device, likewise.
        quick: Do not measure quality again, which draws every picture of the record.
        on_progress: Told ``(what, done, in all)`` while quality is measured.

    Raises:
        SettingError: There is a ``config`` and no source, or no such engine.
        BundleError: A file is missing or was altered, or the manifest says what is not so.
        EngineError: A graph does not load.
        NotInstalledError: The engine or, with ``against``, the exporter is missing.
        VerificationError: The bundle is not as good as its manifest says.
        ToleranceError: A graph strays further from its module than its precision allows.
    """
    for name, given in (("config", config), ("components", ", ".join(components or ()))):
        if given and against is None:
            raise SettingError(name, got=str(given), expected="nothing without `against`, whose they are")
    placement = Placement(engine=named_engines(engine), device="auto" if device is None else device)
    opened = open_bundle(bundle)
    roles = opened.manifest.components
    placement.check_roles(roles)
    opened.check_hashes()
    runner = Runner(opened, placement)
    for role in roles:
        runner.check_loads(role)
    how = {"config": config, "components": components, "placement": placement}
    compared = {} if against is None else _exporter("compare")(opened, against, **how)
    figures, not_measured, computed = _figures(opened, runner if engine or device else None, on_progress, quick=quick)
    return Verification(
        files=sum(entry.sha256 is not None for entry in opened.files()),
        graphs=len(roles),
        errors={role: one.error for role, one in compared.items()},
        tolerances={role: one.tolerance for role, one in compared.items() if one.tolerance is not None},
        not_compared={} if against is None else dict.fromkeys(roles.keys() - compared.keys(), _NOT_OF_THE_MODEL),
        figures=figures,
        not_measured=not_measured,
        computed=computed,
    )


def _figures(
    bundle: Bundle, asked: Runner | None, on_progress: OnProgress, *, quick: bool
) -> tuple[tuple[Figure, ...], str | None, dict[str, Computed]]:
    """What a bundle claims of its quality and of reuse, measured again, or why there is nothing; and who computed."""
    if quick:
        return (), "not asked for", {}
    claimed, reference = bundle.manifest.quality, Reference.of(bundle)
    figures: list[Figure] = []
    computed: dict[str, Computed] = {}
    if claimed is not None and reference is not None:
        check_record(claimed, reference)
        runner = asked or _as_measured(bundle, claimed)
        record = claimed.reference
        measured = measure(runner, reference, record=record, computed=computed, on_progress=on_progress)
        figures += check_claims(claimed, measured)
    for proof in bundle.manifest.reuse:
        figures += check_reuse(asked or _as_measured(bundle, proof), proof, on_progress=on_progress)
    return tuple(figures), None if figures else "the manifest claims nothing of the bundle's quality", computed


def _as_measured(bundle: Bundle, claimed: QualityReport | ProvedReuse) -> Runner:
    """The bundle computed as it was measured: in OpenVINO the number of threads moves a figure."""
    network = bundle.manifest.recipe.network.role
    execution = {network: claimed.execution} if isinstance(claimed, ProvedReuse) else None
    placement = Placement(
        engine=get_engine(claimed.engine), device=claimed.device, execution=execution, threads=claimed.threads
    )
    return Runner(bundle, placement)


def _exporter(name: str) -> Any:  # noqa: ANN401 - a public name of the exporter, a function or a class
    try:
        return getattr(importlib.import_module("edgediff_exporters"), name)
    except ImportError as error:
        raise NotInstalledError("the exporter", extra="export", reason=error) from error


def describe_devices() -> dict[str, Any]:
    """Every engine with its version and devices (what each is, computes in, how verified), or why it is not there."""
    from edgediff_runtimes.engines import ENGINES  # noqa: PLC0415 - only this function wants the table

    engines: dict[str, Any] = {}
    for name in ENGINES:
        try:
            engine = get_engine(name)
        except NotInstalledError as error:
            engines[name] = {"missing": error.hint}
            continue
        devices = {
            device.name: {
                "description": device.description,
                "executions": list(device.executions),
                "verified": device.verified,
            }
            for device in engine.devices()
        }
        engines[name] = {"version": engine.version, "devices": devices}
    return {"engines": engines}
