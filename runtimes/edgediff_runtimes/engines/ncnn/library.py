"""The library itself, and what it says: it raises nothing and writes its reasons to the standard error."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator

import ncnn

__all__ = ["ncnn", "overheard"]

_STDERR = 2
_LOCK = threading.Lock()


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """What the library writes while the block runs, as lines of a list that is filled at its end.

    The lines of other threads go there too: a block is short, and none is around a computation.
    """
    lines: list[str] = []
    with _LOCK, contextlib.ExitStack() as closing:
        try:
            before = os.dup(_STDERR)
        except OSError:  # a program without a console has none, and nothing is heard
            yield lines
            return
        closing.callback(os.close, before)
        file = closing.enter_context(tempfile.TemporaryFile())
        os.dup2(file.fileno(), _STDERR)
        try:
            yield lines
        finally:
            os.dup2(before, _STDERR)
            file.seek(0)
            lines += [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
