"""Tables on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table

from edgediff_runtimes.errors import shown

_LONGEST_CELL = 10_000  # characters; what others wrote has no say over the terminal, and no end of its own
_UNBOUNDED = 1_000_000  # columns; a table takes of them what it needs


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, apart: bool = False) -> None:
    """Print a table; as wide as it needs where stdout is not a terminal, so that a pipe loses nothing.

    Args:
        title: The line above it.
        columns: Its heads.
        rows: Its cells.
        apart: Whether an empty line stands before it.
    """
    if apart:
        click.echo()
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=_UNBOUNDED)
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(shown(cell, most=_LONGEST_CELL) for cell in row))
    with console.capture() as captured:
        console.print(shown(title), style="table.title")
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().removesuffix("\n").split("\n")))
