"""Files that a command is asked to write: checked before the work begins, written whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import tempfile
import warnings
from pathlib import Path

from edgediff_runtimes.errors import EdgediffError, SettingError


def check_target(setting: str, path: Path, *, suffixes: tuple[str, ...], overwrite: bool) -> None:
    """Refuse a file of a kind that cannot be written, now and not after the measurement.

    Args:
        setting: What a user calls the setting that names it, for the error.
        path: The file.
        suffixes: What its name may end in, in small letters.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        SettingError: It cannot be written.
        EdgediffError: A file is there and may not be replaced.
    """
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
    if not overwrite and os.path.lexists(path):
        raise EdgediffError(
            f"the file `{path}` is there already: expected a name that is free", hint="`overwrite=True` replaces it"
        )


def still_free(path: Path) -> Path:
    """The file, or one beside it with a number where another has appeared there since ``check_target``, which is told.

    What took long to measure is neither lost nor does it replace anything unasked.
    """
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    free = next(name for name in itertools.chain([path], numbered) if not os.path.lexists(name))
    if free != path:
        warnings.warn(f"{path} is there by now: the report goes to {free}", stacklevel=2)
    return free


def write_whole(path: Path, text: str) -> None:
    """Write beside the target and rename.

    Raises:
        EdgediffError: It cannot be written.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")  # a name of its own: another process may write the same file
    try:
        with part.open("x", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        raise EdgediffError(f"`{path}` cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
