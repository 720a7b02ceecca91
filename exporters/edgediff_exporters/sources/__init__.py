"""Where models come from: a directory, a single checkpoint, the hub."""

from __future__ import annotations

from pathlib import Path

from edgediff_exporters.requests import check_source
from edgediff_exporters.sources.base import Source
from edgediff_exporters.sources.directory import open_directory
from edgediff_exporters.sources.hub import fetch
from edgediff_exporters.sources.layouts import described_by
from edgediff_exporters.sources.originals import KNOWN
from edgediff_exporters.sources.replacing import with_components
from edgediff_exporters.sources.single_file import open_checkpoint
from edgediff_exporters.sources.weight_files import PICKLES
from edgediff_runtimes.errors import SettingError, SourceError
from edgediff_runtimes.hub import is_hub_name

__all__ = ["Source", "open_source", "with_components"]


def open_source(source: str | Path, *, config: str | Path | None = None) -> Source:
    """Open whatever a user calls a model.

    Args:
        source: A directory in diffusers' layout, a ``.safetensors`` checkpoint as those who trained the model lay it
            out, or a hub name.
        config: For a checkpoint that does not tell which model it is: a directory in diffusers' layout or a hub name,
            with configs and tokenizer, or a name in ``originals.KNOWN``.

    Raises:
        SettingError: ``config`` is given for a source that has its own.
        SourceError: There is no such source, or it cannot be read.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return _open_file(path, config)
    if config is not None:
        raise SettingError("config", got=str(config), expected="nothing: only a single checkpoint needs it")
    if path.is_dir():
        return open_directory(path)
    check_source(source)
    return open_directory(fetch(str(source), with_weights=True), name=str(source))


def _open_file(path: Path, config: str | Path | None) -> Source:
    if path.suffix in PICKLES:
        raise SourceError(
            f"`{path.name}` is a pickle, which can run any code: expected `.safetensors`",
            hint="get the `.safetensors` edition of the checkpoint",
        )
    if path.suffix != ".safetensors":
        raise SourceError(f"`{path.name}` is no model: expected a directory or a `.safetensors` file")
    return open_checkpoint(path, None if config is None else _described(config))


def _described(config: str | Path) -> Source:
    """What a name or a directory that a user gives says of a checkpoint."""
    folder = Path(config).expanduser()
    known = {layout.name: layout for layout in KNOWN}
    if folder.is_dir():
        return open_directory(folder)
    if str(config) in known:
        return described_by(known[str(config)])
    if is_hub_name(str(config)):
        return open_directory(fetch(str(config), with_weights=False))
    expected = f"a directory in diffusers' layout, a hub name like `owner/model`, or one of {', '.join(known)}"
    raise SettingError("config", got=str(config), expected=expected)
