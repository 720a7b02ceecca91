"""Pointers of git-lfs in a source."""

from __future__ import annotations

from pathlib import Path

from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.untrusted.git_lfs import HINT, PROBLEM, is_pointer


def refuse_pointer(path: Path) -> None:
    """Raise ``SourceError`` where a regular file is a pointer of git-lfs, and ``OSError`` where it cannot be read."""
    if is_pointer(path):
        raise SourceError(f"`{path.name}` {PROBLEM}", hint=HINT)
