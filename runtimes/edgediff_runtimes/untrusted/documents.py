"""The one reader of JSON and text that others wrote: manifests, configs, tokenizers, indices, records.

What it returns can be walked, printed and written as JSON again: it is of a regular file of bounded size, in UTF-8, of
bounded depth, every number fits a double, and no text has surrogates.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import stat
import sys
from typing import TYPE_CHECKING, Any

from edgediff_runtimes.errors import ComponentFileError, shown
from edgediff_runtimes.untrusted.bounds import JSON_BYTES, JSON_DEPTH
from edgediff_runtimes.untrusted.git_lfs import HINT, PROBLEM, holds_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgediff_runtimes.untrusted.bounds import Bound

_INFINITIES = {"Infinity": "inf", "-Infinity": "-inf"}
_LONGEST_NUMBER = 4000  # digits: a double has 309 at most, Python makes whole numbers of up to 4300
# A terminal obeys all but these: the zero byte, tab, line feed.
_CONTROL = re.compile(r"[\x01-\x08\x0b-\x1f\x7f-\x9f]")
# What a text must hold that has half of a surrogate pair or a number beyond doubles: an escape, an exponent, a long row
# of digits. A vocabulary has a million texts, and one look at the whole is quicker than one at each.
_SUSPECT = re.compile(r"\\u[dD][89a-fA-F]|[0-9.][eE]\+?[0-9]{3}|[0-9]{300}")
_TOO_DEEP = f"it is nested deeper than {JSON_DEPTH.most}: {JSON_DEPTH.reason}"
_KINDS = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}


def read_bytes(path: Path, *, name: str, bound: Bound) -> bytes:
    """A regular file, whole.

    Args:
        path: Where it is.
        name: What to call it in an error: its path inside the bundle or the source.
        bound: The most bytes it may have.

    Raises:
        ComponentFileError: It is missing, no regular file (a pipe or a device could keep one waiting for ever), too
            long, a pointer of git-lfs, or may not be read.
    """
    with reading(name), open(path, "rb", opener=_without_waiting) as file:
        _check_regular(os.fstat(file.fileno()), name, bound)
        data = file.read(bound.most)
    if holds_pointer(data):
        raise ComponentFileError(name, PROBLEM, hint=HINT)
    return data


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what the system says of a file or directory that cannot be read into an error of ours.

    Args:
        name: What to call it: its path inside the bundle or the source.

    Raises:
        ComponentFileError: It cannot be read.
    """
    try:
        yield
    except ComponentFileError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ComponentFileError(name, f"cannot be read ({reason})") from error


def names_in(path: Path, *, name: str) -> list[str]:
    """The names in a directory, sorted.

    Raises:
        ComponentFileError: There is no directory, or it cannot be read.
    """
    with reading(name):
        return sorted(inner.name for inner in path.iterdir())


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; opening a pipe would else wait for its other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_regular(about: os.stat_result, name: str, bound: Bound) -> None:
    if not stat.S_ISREG(about.st_mode):
        raise ComponentFileError(name, "is a pipe or a device: expected a regular file")
    if about.st_size > bound.most:
        raise ComponentFileError(name, f"has {about.st_size:,} bytes: expected {bound.expected}")


def read_text(path: Path, *, name: str, bound: Bound) -> str:
    """A regular file in UTF-8, with or without a byte order mark.

    Raises:
        ComponentFileError: As ``read_bytes``, or it is not UTF-8.
    """
    try:
        return read_bytes(path, name=name, bound=bound).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ComponentFileError(name, f"cannot be read as text ({error.reason} at byte {error.start:,})") from error


def read_json(
    path: Path, *, name: str, bound: Bound = JSON_BYTES, infinities: bool = False, printable: bool = False
) -> dict[str, Any]:
    """The JSON object in a file; arguments as of ``read_bytes`` and ``parse_json``.

    Raises:
        ComponentFileError: The file cannot be read, or is not such an object.
    """
    try:
        return parse_json(read_text(path, name=name, bound=bound), infinities=infinities, printable=printable)
    except ValueError as error:
        if isinstance(error, ComponentFileError):
            raise
        raise ComponentFileError(name, f"cannot be read as JSON ({error})") from error


def parse_json(text: str, *, infinities: bool = False, printable: bool = False) -> dict[str, Any]:
    """The JSON object in a text.

    Args:
        text: The text.
        printable: Refuse control characters in texts, because they will be shown to people.
        infinities: Whether ``Infinity`` and ``-Infinity``, which are no JSON but which Python writes (diffusers, for
            ``lambda_min_clipped``), are taken: as the texts ``inf`` and ``-inf``, which are what edgediff writes.

    Raises:
        ValueError: It is not such an object; the message, on one line, says why.
    """

    def constant(name: str) -> str:
        if infinities and name in _INFINITIES:
            return _INFINITIES[name]
        raise ValueError(f"{name} is not JSON")

    try:
        values = json.loads(text, parse_constant=constant, parse_int=_whole)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if not isinstance(values, dict):
        raise ValueError(f"it is {_KINDS.get(type(values), 'a number')}: expected an object")  # noqa: TRY004 - of the text
    if printable or _SUSPECT.search(text):
        _check(values, printable=printable)
    else:
        _check_depth(values)
    return values


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:  # Python would refuse it as well, in terms of its own settings
        raise ValueError(f"the number {shown(digits)} is too large for a double")
    return int(digits)


def _check_depth(values: dict[str, Any]) -> None:
    level: list[Any] = [values]
    for _ in range(JSON_DEPTH.most):
        inside = itertools.chain.from_iterable(
            holder.values() if isinstance(holder, dict) else holder for holder in level
        )
        level = [item for item in inside if isinstance(item, dict | list)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _check(values: dict[str, Any], *, printable: bool) -> None:
    """Refuse what is nested too deep, numbers beyond doubles, and texts that cannot be written as UTF-8 or shown."""
    level: list[tuple[str, Any]] = [("", values)]
    for _ in range(JSON_DEPTH.most):
        below: list[tuple[str, Any]] = []
        for where, holder in level:
            for key, item in holder.items() if isinstance(holder, dict) else enumerate(holder):
                if isinstance(key, str):
                    _check_text(_member(where, key), key, printable=printable)
                if isinstance(item, str):
                    _check_text(_member(where, key), item, printable=printable)
                elif isinstance(item, dict | list):
                    below.append((_member(where, key), item))
                elif isinstance(item, int | float) and not abs(item) <= sys.float_info.max:
                    raise ValueError(f"the number at `{shown(_member(where, key))}` is too large for a double")
        if not below:
            return
        level = below
    raise ValueError(_TOO_DEEP)


def _member(where: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{where}[{key}]"
    return f"{where}.{key}" if where else key


def _check_text(where: str, text: str, *, printable: bool) -> None:
    if text.isascii() and text.isprintable():
        return
    if printable and _CONTROL.search(text):
        raise ValueError(f"the text {shown(ascii(text))} at `{shown(where)}` has control characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise ValueError(f"the text {shown(ascii(text))} at `{shown(where)}` is no Unicode") from error
