"""Pointers of git-lfs, which lie in a clone in place of the files that were not downloaded."""

from __future__ import annotations

from pathlib import Path

PROBLEM = "is a pointer of git-lfs: the file itself was not downloaded"
HINT = "run `git lfs pull` in the model's directory, or download the file from where it is published"
_MAGIC = b"version https://git-lfs"
_LONGEST = 1024  # bytes, as the specification of git-lfs has it


def is_pointer(path: Path) -> bool:
    """Whether a regular file is a pointer of git-lfs.

    Raises:
        OSError: It cannot be read.
    """
    if path.stat().st_size >= _LONGEST:
        return False
    with path.open("rb") as file:
        return holds_pointer(file.read(_LONGEST))


def holds_pointer(data: bytes) -> bool:
    """Whether the bytes of a whole file are a pointer of git-lfs."""
    return len(data) < _LONGEST and data.startswith(_MAGIC)
