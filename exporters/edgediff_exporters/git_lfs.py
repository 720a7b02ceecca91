"""Pointers of git-lfs, which lie in a clone in place of the files that were not downloaded."""

from __future__ import annotations

from pathlib import Path

from edgediff_runtimes.errors import SourceError

_MAGIC = b"version https://git-lfs"
_LONGEST = 1024  # bytes, as the specification of git-lfs has it


def refuse_pointer(path: Path) -> None:
    """Raise ``SourceError`` where a regular file is a pointer of git-lfs, and ``OSError`` where it cannot be read."""
    if path.stat().st_size >= _LONGEST:
        return
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            raise SourceError(
                f"`{path.name}` is a pointer of git-lfs: the file itself was not downloaded",
                hint="run `git lfs pull` in the model's directory, or download the file from where it is published",
            )
