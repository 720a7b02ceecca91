"""What a long command is at: a bar on a terminal, a line every few seconds in a pipe or a file. All on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias, final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Show: TypeAlias = Callable[[str, int | None, int | None], None]
"""Call it with what is being done, how much of it is done, and how much there is; None where that is not known."""

EVERY_S = 5.0  # between lines where there is no terminal; what is quicker says nothing there
_COUNTED = 10_000  # from here on an amount is no count that anybody reads


@contextmanager
def progress(what: str, *, total: int | None = None) -> Iterator[Show]:
    """Tell what is being done until the block ends; the bar is gone when the caller prints again.

    Args:
        what: The first label; a prompt may stand in it, markup is not read.
        total: How much there is to do, or None.
    """
    console = Console(stderr=True)
    with _bar(console, what, total) if console.is_terminal else _lines(what, total) as show:
        yield show


@contextmanager
def _bar(console: Console, what: str, total: int | None) -> Iterator[Show]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as display:
        task = display.add_task(what, total=total, amount=_amount(None, total))

        def show(now: str, done: int | None, of: int | None) -> None:
            display.update(task, description=now, completed=done, total=of, amount=_amount(done, of))

        yield show


@final
@dataclass(slots=True)
class _State:
    what: str
    done: int | None
    total: int | None
    began: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """``unet: trace, 3/14, 65 s``: the time is that of the whole command."""
        parts = self.what, _amount(self.done, self.total), f"{time.monotonic() - self.began:.0f} s"
        return ", ".join(filter(None, parts))


def _amount(done: int | None, total: int | None) -> str:
    """``3/14``; of larger numbers, which are bytes, per cent."""
    if not total:
        return ""
    return f"{done or 0}/{total}" if total < _COUNTED else f"{(done or 0) / total:.0%}"


@contextmanager
def _lines(what: str, total: int | None) -> Iterator[Show]:
    """Print from a thread: one step of the work may take minutes, in which nobody calls ``show``."""
    state, ended = _State(what, None, total), threading.Event()

    def show(now: str, done: int | None, of: int | None) -> None:
        state.what, state.done, state.total = now, done, of

    def tell() -> None:
        while not ended.wait(EVERY_S):
            click.echo(state.line(), err=True)

    thread = threading.Thread(target=tell, name="edgediff-progress", daemon=True)
    thread.start()
    try:
        yield show
    finally:
        ended.set()
        thread.join()
