"""A directory that appears whole or not at all.

Everything is written into a directory beside the target, flushed to the disk, and renamed into place. Its name starts
with a dot and says which process on which machine writes it, so that the next export can remove what a killed one left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped] # ships no type information

from edgediff_runtimes.bundle import MANIFEST_NAME
from edgediff_runtimes.errors import TargetError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NAME = re.compile(r"\.(?P<target>.+)\.edgediff-(?P<kind>new|old)-(?P<host>[\w-]+)-(?P<pid>\d+)")


@contextlib.contextmanager
def staged(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a directory to write to; on leaving without an error it becomes ``target``, else it is removed.

    Args:
        target: Where the directory shall appear. Its parent must exist.
        overwrite: Replace a bundle that is there. It stays until the new one is complete.

    Raises:
        TargetError: Something is there already, the place cannot be written to, or the disk is full.
    """
    target = target.absolute()
    _refuse(target, overwrite=overwrite)
    clean_up(target.parent)
    folder = target.with_name(_name(target, "new"))
    try:
        folder.mkdir()
    except OSError as error:
        raise TargetError(f"`{target.name}` cannot be written there: {_words(error)}") from error
    try:
        yield folder
        _flush(folder)
        _swap(folder, target)
    except OSError as error:
        if error.errno not in _FULL or isinstance(error, TargetError):
            raise
        raise TargetError(
            f"`{target.name}` cannot be written: the disk is full", hint="free some space, or export to another disk"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clean_up(parent: Path) -> None:
    """Remove what killed exports of this machine left in a directory, and put back what they were replacing."""
    for path in parent.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None or match["host"] != _host() or psutil.pid_exists(int(match["pid"])):
            continue
        target = parent / match["target"]
        if match["kind"] == "old" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _refuse(target: Path, *, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise TargetError(f"`{target.name}` cannot be written: the directory `{target.parent.name}` does not exist")
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise TargetError(
            f"`{target.name}` exists: expected a place where nothing is", hint="give another name, or `--overwrite`"
        )
    if target.is_symlink() or not (target / MANIFEST_NAME).is_file():
        raise TargetError(f"`{target.name}` exists and is not a bundle: only a bundle is overwritten")


def _swap(folder: Path, target: Path) -> None:
    old = target.with_name(_name(target, "old"))
    replaces = target.exists()
    if replaces:
        target.rename(old)
    try:
        folder.rename(target)
    except OSError:
        if replaces:
            old.rename(target)
        raise
    _flush_directory(target.parent)
    if replaces:
        shutil.rmtree(old, ignore_errors=True)


def _name(target: Path, kind: str) -> str:
    return f".{target.name}.edgediff-{kind}-{_host()}-{os.getpid()}"


def _host() -> str:
    return re.sub(r"\W", "", platform.node()) or "localhost"


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            _flush_directory(path)
    _flush_directory(folder)


def _flush_directory(folder: Path) -> None:
    if os.name == "nt":  # Windows flushes directories by itself and cannot open them
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _words(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
