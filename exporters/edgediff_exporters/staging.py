"""A directory that appears whole or not at all.

Everything is written into a directory beside the target, flushed to the disk, and renamed into place. Its name starts
with a dot and says which process on which machine writes it, so that the next export can remove what a killed one left.
What appears at the target meanwhile stays, and the export fails.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped] # ships no type information

from edgediff_exporters.exclusive_rename import rename_exclusively
from edgediff_runtimes.bundle import MANIFEST_NAME
from edgediff_runtimes.errors import EdgediffError, TargetError

if sys.platform != "win32":
    import fcntl

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Network drives and shared folders refuse to flush directories (and a directory that may be written to and not read
# cannot be opened): nothing more can be done for the data there.
_CANNOT_FLUSH = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EACCES, errno.EPERM)
_NAME = re.compile(
    r"\.(?P<target>.+)\.edgediff-(?P<kind>new|old)-(?P<host>\w+)-(?P<pid>[1-9][0-9]{0,8})(-[0-9a-f]{8})?", re.DOTALL
)
_ATTEMPTS = 100


@contextlib.contextmanager
def staged(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a directory to write to; on leaving without an error it becomes ``target``, else it is removed.

    Args:
        target: Where the directory shall appear. Its parent must exist.
        overwrite: Replace a bundle that is there. It stays until the new one is complete.

    Raises:
        TargetError: Something is there already or appeared meanwhile, the place cannot be written to, or the disk is
            full.
    """
    target = target.absolute()
    check_target(target, overwrite=overwrite)
    clean_up(target.parent)
    folder = target.with_name(_name(target, "new"))
    try:
        folder.mkdir()
    except OSError as error:
        raise _not_there(target, error) from error
    try:
        yield folder
        _flush(folder)
        with _turn(target.parent):
            _put_in_place(folder, target, overwrite=overwrite)
    except OSError as error:
        if isinstance(error, EdgediffError):
            raise
        hint = "free some space, or export to another disk" if error.errno in _FULL else None
        words = "the disk is full" if error.errno in _FULL else _words(error)
        raise TargetError(f"`{target.name}` cannot be written: {words}", hint=hint) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _turn(parent: Path) -> Iterator[None]:
    """Keep other exports of this machine from moving anything into a directory meanwhile.

    Without it, of several that overwrite one target, some would find it between the two moves of another. Where a
    directory cannot be locked (on Windows, on some network drives) they may, and then say what they left where.
    """
    with contextlib.ExitStack() as closing:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):
                descriptor = os.open(parent, os.O_RDONLY)
                closing.callback(os.close, descriptor)  # which ends the lock
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def link(source: str, target: str) -> None:
    """Give a file a second name, or copy it where its file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def clean_up(parent: Path) -> None:
    """Remove what killed exports of this machine left in a directory, and put back what they were replacing.

    Nothing is said of what cannot be: others may be cleaning up at the same time.
    """
    with contextlib.suppress(OSError):
        for path in parent.iterdir():
            match = _NAME.fullmatch(path.name)
            if match is not None and match["host"] == _host() and not psutil.pid_exists(int(match["pid"])):
                _clear(path, parent / match["target"], kind=match["kind"])


def _clear(path: Path, target: Path, *, kind: str) -> None:
    if kind == "old":
        with contextlib.suppress(OSError):
            rename_exclusively(path, target)
            return
        if not (_is_bundle(path) and _is_bundle(target)):  # not a bundle that got its successor: not ours to delete
            return
    _discard(path, target)


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a place where no bundle can appear.

    Raises:
        TargetError: Its parent is missing, no file can have its name, or something is there that is not to be
            overwritten.
    """
    if not target.parent.is_dir():
        raise TargetError(f"`{target.name}` cannot be written: the directory `{target.parent.name}` does not exist")
    try:
        target.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # a ValueError where no file can have the name
        raise _not_there(target, error) from error
    if not overwrite:
        raise TargetError(
            f"`{target.name}` exists: expected a place where nothing is", hint="give another name, or `overwrite=True`"
        )
    if not _is_bundle(target):
        raise _no_bundle(target)


def _not_there(target: Path, error: OSError | ValueError) -> TargetError:
    return TargetError(f"`{target.name}` cannot be written there: {_words(error)}")


def _no_bundle(target: Path) -> TargetError:
    return TargetError(f"`{target.name}` exists and is not a bundle: only a bundle is overwritten")


def _is_bundle(path: Path) -> bool:
    return not path.is_symlink() and (path / MANIFEST_NAME).is_file()


def _put_in_place(folder: Path, target: Path, *, overwrite: bool) -> None:
    for _ in range(_ATTEMPTS if overwrite else 1):
        old = _set_aside(target) if overwrite else None
        try:
            rename_exclusively(folder, target)
        except OSError as error:
            if old is not None:
                _put_back(old, target)
            if not isinstance(error, FileExistsError):
                raise
        else:
            _flush_directory(target.parent)
            if old is not None:
                _discard(old, target)
            return
    raise TargetError(
        f"`{target.name}` appeared while the export worked: it is left as it is, and the export is given up",
        hint="give another name, or `overwrite=True`",
    )


def _set_aside(target: Path) -> Path | None:
    """Move the bundle at ``target`` away; give back where to, or None where nothing is."""
    check_target(target, overwrite=True)
    old = target.with_name(_name(target, "old"))
    try:
        target.rename(old)
    except FileNotFoundError:
        return None
    if not _is_bundle(old):  # looked at once more after the move, when nobody can put another thing in its place
        _put_back(old, target)
        raise _no_bundle(target)
    return old


def _put_back(old: Path, target: Path) -> None:
    try:
        rename_exclusively(old, target)
    except OSError as error:
        if _is_bundle(old) and _is_bundle(target):
            _discard(old, target)  # another export has replaced it meanwhile
            return
        raise TargetError(
            f"`{target.name}` cannot be written: {_words(error)}; what was there before is now `{old.name}`"
        ) from error


def _discard(path: Path, target: Path) -> None:
    """Delete a directory under a name by which nobody will put it back half deleted."""
    doomed = target.with_name(_name(target, "new"))
    with contextlib.suppress(OSError):
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


def _name(target: Path, kind: str) -> str:
    return f".{target.name}.edgediff-{kind}-{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


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
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise


def _words(error: OSError | ValueError) -> str:
    return ((error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__).lower()
