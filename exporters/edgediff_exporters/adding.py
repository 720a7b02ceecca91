"""``add``: a bundle grows by a ControlNet, a T2I-Adapter or an IP-Adapter, and nothing of it is exported again.

What is new is written like any other component. The network's graph gets inputs for what that gives; its weights and
all other files stay as they are. The grown bundle takes the old one's place when it is complete.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgediff_exporters.exporting import ExportReport
from edgediff_exporters.growing.base import FAMILIES, Growth, precision_beside
from edgediff_exporters.growing.ip_adapters import ip_adapter
from edgediff_exporters.growing.steering import STEERED, steering
from edgediff_exporters.progress import OnProgress, ignore
from edgediff_exporters.staging import link, staged
from edgediff_runtimes.bundle import MANIFEST_NAME, Bundle, Provenance
from edgediff_runtimes.errors import SettingError, SourceError, TargetError
from edgediff_runtimes.families.ip_adapter import IMAGE_ENCODER


def add(
    source: str | Path,
    bundle: str | Path,
    *,
    precision: str | None = None,
    components: Mapping[str, str | Path] | None = None,
    on_progress: OnProgress = ignore,
) -> ExportReport:
    """Add a ControlNet, a T2I-Adapter or an IP-Adapter to a bundle.

    Bundles of Stable Diffusion and Stable Diffusion XL take all three, those of Stable Diffusion 3 and FLUX.1 dev and
    schnell ControlNets.

    Args:
        source: A directory with a ``ControlNetModel``, ``SD3ControlNetModel``, ``FluxControlNetModel`` or
            ``T2IAdapter`` that diffusers' ``save_pretrained`` wrote, or
            a hub name of one; or the ``.safetensors`` file of an IP-Adapter.
        bundle: The bundle's directory. It stays as it is until the grown one is complete.
        precision: Of what is new; None: as the bundle's network has it, or ``w8`` where that was calibrated.
        components: ``image_encoder``: the directory of an IP-Adapter's; None: the one beside its file.
        on_progress: Told every step.

    Raises:
        BundleError: There is no bundle, or it has no manifest.
        SettingError: The precision is unknown, or needs calls to calibrate with; or there is no such component.
        SourceError: The source is none for this bundle's network.
        TargetError: The bundle cannot be written there, or changed meanwhile.
        ToleranceError: A graph strays too far from its module.
    """
    target = Path(bundle).absolute()
    opened = Bundle.open(target)
    if opened.derived:
        raise TargetError(f"`{target.name}` was not exported by edgediff: expected a bundle with `{MANIFEST_NAME}`")
    if opened.manifest.sizes:
        problem = f"`{target.name}` has graphs of fixed shapes: expected a bundle that draws any size"
        raise TargetError(problem, hint="export the model again without `target`")
    with tempfile.TemporaryDirectory() as work:
        growth = look_at(source, opened, Path(work), precision=precision, components=components or {})
        return _grow(growth, opened, target, on_progress)


def _grow(growth: Growth, opened: Bundle, target: Path, on_progress: OnProgress) -> ExportReport:
    before = (target / MANIFEST_NAME).read_bytes()
    with staged(target, overwrite=True) as folder:
        shutil.copytree(
            target, folder, dirs_exist_ok=True, copy_function=link, ignore=shutil.ignore_patterns(MANIFEST_NAME)
        )
        grown = growth.write(opened, folder, on_progress)
        manifest = replace(grown, provenance=_with_origins(grown.provenance, growth, target))
        (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        if (target / MANIFEST_NAME).read_bytes() != before:
            raise TargetError(f"`{target.name}` changed while a component was made for it: it is left as it is")
    return ExportReport(target, manifest)


def look_at(
    source: str | Path, bundle: Bundle, work: Path, *, precision: str | None, components: Mapping[str, str | Path]
) -> Growth:
    """What a bundle would grow by: all that can be known to fail is known then."""
    manifest = bundle.manifest
    path = Path(source).expanduser()
    is_file = path.suffix == ".safetensors" and path.is_file()  # an IP-Adapter's
    if manifest.family not in (families := FAMILIES if is_file else STEERED):
        raise SourceError(
            f"the bundle `{bundle.path.name}` is of the family `{manifest.family}`: expected one of "
            f"{', '.join(families)}, whose network takes what is added to it"
        )
    chosen = precision_beside(precision, manifest.components[manifest.recipe.network.role])
    if unknown := sorted(components.keys() - {IMAGE_ENCODER}):
        raise SettingError("components", got=unknown[0], expected=f"`{IMAGE_ENCODER}`, of an IP-Adapter, alone")
    if is_file:
        encoder = components.get(IMAGE_ENCODER, path.parent / IMAGE_ENCODER)
        return ip_adapter(path, encoder, bundle, precision=chosen, work=work)
    if components:
        expected = "nothing, because the source is no IP-Adapter's `.safetensors` file"
        raise SettingError("components", got=IMAGE_ENCODER, expected=expected)
    return steering(source, bundle, precision=chosen)


def _with_origins(origin: Provenance, growth: Growth, target: Path) -> Provenance:
    words = ["edgediff", "export", growth.name, target.name, "--add", "--precision", growth.precision]
    return replace(
        origin,
        components={**origin.components, **growth.origins},
        command=shlex.join(words) if origin.command is None else f"{origin.command} && {shlex.join(words)}",
    )
