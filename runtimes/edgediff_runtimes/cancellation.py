"""Ending a run from another thread, also while a graph is being computed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from edgediff_runtimes.errors import Cancelled


@final
class CancelToken:
    """Says that a run shall end, and interrupts what it is doing.

    One token belongs to one run and is never reset, so a late ``cancel`` cannot reach the next run. All methods may be
    called from any thread.
    """

    def __init__(self) -> None:
        # Re-entrant: a signal handler may call ``cancel`` while its own thread holds the lock.
        self._lock = threading.RLock()
        self._cancelled = False
        self._interrupt: Callable[[], None] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask the run to end; a graph in progress is interrupted. Returns at once; a second call does nothing."""
        with self._lock:
            self._cancelled = True
            if self._interrupt is not None:
                self._interrupt()

    def check(self) -> None:
        """Raise ``Cancelled`` once ``cancel`` was called."""
        if self._cancelled:
            raise Cancelled

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While the block runs, let ``cancel`` call ``interrupt``.

        Raises:
            Cancelled: ``cancel`` came before the block began; the block does not run.
        """
        try:
            with self._lock:
                self._interrupt = interrupt
                self.check()
            yield
        finally:
            with self._lock:
                self._interrupt = None
