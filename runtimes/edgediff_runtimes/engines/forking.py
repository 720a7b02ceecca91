"""What a fork does to a loaded graph, and what is done about it.

A forked process has a copy of every object, and of all threads only the one that forked. The graphs of an engine are
there, and the threads that compute them are not: a run waits for them for ever, or computes alone where a library
happens to allow it, and freeing the graph, which joins them, waits as well. So a session of another process refuses to
run, and what a library holds for it is never freed in the child. A library whose threads are shared by all its graphs
cannot load another one there either, though none of the first is left.
"""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from typing import final

from edgediff_runtimes.errors import EngineError

_natives: weakref.WeakSet[object] = weakref.WeakSet()


@final
class HomeProcess:
    """The process that loaded something, which is the only one that can use it.

    Args:
        settled: Whether it is loaded by now; else by the process that first calls ``settle``.
    """

    def __init__(self, *, settled: bool = True) -> None:
        self._pid = os.getpid() if settled else None

    def settle(self) -> None:
        """From now on it is loaded, by this process."""
        self._pid = os.getpid()

    def check(self, what: str, *, expected: str = "a graph that this process loaded") -> None:
        """Refuse to go on in another process.

        Args:
            what: What was loaded.
            expected: What else would do.

        Raises:
            EngineError: This process was forked from the one that loaded it.
        """
        if self._pid not in (None, os.getpid()):
            raise EngineError(
                f"{what} was loaded before this process was forked: expected {expected}",
                hint="load in each process after the fork, draw nothing before it, or start processes with `spawn`",
            )


def keep_in_forks(native: object) -> None:
    """Never free an object of a library in a process that is forked from this one."""
    _natives.add(native)


def _keep_all() -> None:
    for native in list(_natives):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(native))  # outlives the interpreter, whose end frees all else


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_keep_all)
