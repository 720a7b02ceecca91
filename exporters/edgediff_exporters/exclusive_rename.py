"""Rename a directory to a place where nothing is, and fail where something is, in one step.

A look before the rename would leave a moment in which something can appear. Linux has ``renameat2`` with
``RENAME_NOREPLACE`` (rename(2)), macOS ``renamex_np`` with ``RENAME_EXCL`` (rename(2) there), and Windows' own rename
replaces nothing. Where a system or a file system offers none of these, the place is claimed by making an empty
directory, which fails where anything is; POSIX then lets a directory replace an empty directory and nothing else.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from pathlib import Path

_NOT_OFFERED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
_AT_FDCWD = -100  # linux/fcntl.h
_RENAME_NOREPLACE = 1  # linux/fs.h
_RENAME_EXCL = 4  # sys/stdio.h of macOS


def rename_exclusively(folder: Path, target: Path) -> None:
    """Rename ``folder``, a directory, to ``target`` on the same file system.

    Raises:
        FileExistsError: Something is at ``target``: it is left as it is, and so is ``folder``.
        OSError: The rename failed for another reason.
    """
    if sys.platform == "win32":
        folder.rename(target)
    elif not _rename_by_system(folder, target):
        _rename_onto_claim(folder, target)


def _rename_by_system(folder: Path, target: Path) -> bool:
    """Rename with the system's own call; give back whether it offers one for this file system."""
    names = os.fsencode(folder), os.fsencode(target)
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        failed = library.renamex_np(*names, ctypes.c_uint(_RENAME_EXCL))
    elif (call := getattr(library, "renameat2", None)) is not None:  # older C libraries lack it
        failed = call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_RENAME_NOREPLACE))
    else:
        return False
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in _NOT_OFFERED:
        return False
    raise OSError(code, os.strerror(code), str(target))


def _rename_onto_claim(folder: Path, target: Path) -> None:
    target.mkdir()
    try:
        folder.rename(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            target.rmdir()  # the claim; this fails where somebody wrote into it
        if error.errno in _TAKEN:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        raise
