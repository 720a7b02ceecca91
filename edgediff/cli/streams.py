"""stdout and stderr of the command: whatever their encoding, also where they cannot be written."""

from __future__ import annotations

import codecs
import io
import os
import sys
from traceback import walk_tb
from typing import TextIO

import click

_HANDLER = "edgediff.shown"
_PRINTERS = ("click.utils", "rich.console", __name__)  # modules that write to stdout and stderr and nowhere else


def accept_all_characters() -> None:
    """Print what a stream's encoding lacks as escapes: a picture that was written must not end in an error of its name.

    Python by itself refuses such characters on stdout, as in a file or a pipe of a Western Windows (cp1252).
    """
    codecs.register_error(_HANDLER, _shown)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _shown(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if "\udc80" <= character <= "\udcff":  # Python's stand-in for a byte of a file's name that is no UTF-8
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return character.encode("ascii", "backslashreplace").decode("ascii"), error.start + 1


def flush() -> None:
    """Write what stdout still holds, while an error of it can be told."""
    if sys.stdout is not None:
        sys.stdout.flush()


def check_stdout(option: str) -> None:
    """Refuse to work for a stdout that the shell has closed (``>&-``): what is written there would be lost.

    Raises:
        click.UsageError: It is closed.
    """
    if sys.stdout is None:
        raise click.UsageError(f"{option} writes to stdout, which is closed: expected a pipe, or `> FILE`")


def write_bytes(data: bytes) -> None:
    """Write what is no text to stdout."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def failed_to_print(error: OSError) -> bool:
    """Whether an error came out of printing; if so, what else would be printed to a file or a pipe is thrown away.

    Files that are read and written for other reasons have errors of our own: they are told where they happen.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    printing = bool(frames) and frames[-1].f_globals.get("__name__") in _PRINTERS
    if printing and sys.stdout is not None:
        throw_away(sys.stdout)
    return printing


def terminals() -> list[TextIO]:
    """The streams that go to a terminal; one that was closed does not say so any more."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None and stream.isatty()]


def throw_away(stream: TextIO) -> None:
    """Have what is written to a stream go nowhere, from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())  # what the stream holds goes there as well, also when the interpreter ends
    finally:
        os.close(null)
