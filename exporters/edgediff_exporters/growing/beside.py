"""What stands beside a model in its own directory, as diffusers' pipelines save it, and grows its bundle at once."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

from edgediff_exporters.families.admitted import has
from edgediff_exporters.growing.base import FAMILIES, precision_beside
from edgediff_exporters.growing.ip_adapters import ip_adapter
from edgediff_exporters.growing.steering import steering
from edgediff_exporters.progress import OnProgress
from edgediff_exporters.sources.base import Source
from edgediff_exporters.sources.files import find_file
from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.errors import SettingError, SourceError
from edgediff_runtimes.families.ip_adapter import IMAGE_ENCODER

# Their directories: diffusers' pipelines of several number them on, from 1.
BESIDE = ("controlnet", "adapter")


def places_beside(source: Source) -> list[Path]:
    """The directories of components that a picture steers, in their order."""
    found: list[Path] = []
    for name in BESIDE:
        if not has(source, name):
            continue
        names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
        there = (source.folder / one for one in names)
        found += itertools.takewhile(lambda place: find_file(place, "config.json") is not None, there)
    return found


def adapter_words(adapter: str | Path | None, family: str, format_: str, source: Source) -> list[str]:
    """An IP-Adapter as the command line says it, without its path; looked at before anything is exported.

    Raises:
        SettingError: There is none for the family, or the format, or it is no such file.
        SourceError: Its image encoder is not there.
    """
    if adapter is None:
        return []
    expected = None
    if family not in FAMILIES:
        expected = f"nothing, because it is for {' and '.join(FAMILIES)}"
    elif format_ != "onnx":
        expected = "nothing, because it is for ONNX graphs"
    elif not (file := Path(adapter).expanduser()).is_file() or file.suffix != ".safetensors":
        expected = "a `.safetensors` file"
    if expected is not None:
        raise SettingError("ip_adapter", got=Path(adapter).name, expected=expected)
    if not _encoder(file, source).is_dir():
        raise SourceError(
            f"`{file.name}` has no image encoder: expected a directory `{IMAGE_ENCODER}` in the source or beside it"
        )
    return ["--ip-adapter", file.name]


def _encoder(adapter: Path, source: Source) -> Path:
    own = source.folder / IMAGE_ENCODER
    return own if own.is_dir() else adapter.parent / IMAGE_ENCODER


def grow_beside(
    manifest: Manifest, folder: Path, source: Source, adapter: str | Path | None, on_progress: OnProgress
) -> Manifest:
    """The manifest of a bundle that was just written, grown by what its source has beside the model.

    Args:
        manifest: The bundle's.
        folder: The bundle's.
        source: What it was exported from.
        adapter: The file of an IP-Adapter, whose image encoder the source or the file's directory has.
        on_progress: Told every step.
    """
    network = manifest.components[manifest.recipe.network.role]
    precision = precision_beside(None, network)
    for place in places_beside(source):
        growth = steering(place, Bundle(folder, manifest), precision=precision)
        manifest = growth.write(Bundle(folder, manifest), folder, on_progress)
    if adapter is None:
        return manifest
    file = Path(adapter).expanduser()
    with tempfile.TemporaryDirectory() as work:
        growth = ip_adapter(
            file, _encoder(file, source), Bundle(folder, manifest), precision=precision, work=Path(work)
        )
        grown = growth.write(Bundle(folder, manifest), folder, on_progress)
    origin = grown.provenance
    return replace(grown, provenance=replace(origin, components={**origin.components, **growth.origins}))
