"""Files that a command is asked to write: checked before the work begins, written whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgediff_runtimes.errors import EdgediffError, SettingError


def check_target(setting: str, path: Path, *, suffixes: tuple[str, ...]) -> None:
    """Raise ``SettingError`` where a file of a kind cannot be written: better now than after the measurement."""
    if path.suffix.lower() not in suffixes:
        raise SettingError(setting, got=str(path), expected=f"a file that ends in {' or '.join(suffixes)}")
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingError(setting, got=str(path), expected=f"a file that can be written ({reason})") from error


def write_whole(path: Path, text: str) -> None:
    """Write beside the target and rename.

    Raises:
        EdgediffError: It cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise EdgediffError(f"`{path}` cannot be written ({error.strerror or error})") from error
