"""The header of a ``.safetensors`` file: what it says of each tensor, believed only where the file bears it out.

The format is https://github.com/huggingface/safetensors, "Format": eight bytes of length, a JSON header, the data.
A file that is whole and something else is named as what it is; no pickle is ever opened.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

from edgediff_runtimes.errors import EdgediffError, shown
from edgediff_runtimes.untrusted.documents import parse_json
from edgediff_runtimes.untrusted.git_lfs import HINT, PROBLEM, is_pointer

_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_HEADER_LIMIT = 100_000_000  # the format's own library refuses longer ones
_MOST_AXES = 16  # more than any layer has
_LONGEST_AXIS = 2**40
_DAMAGED = "download or save it again; the file is damaged or was not fully copied"
_PICKLE = (
    "is a pickle by another name, which can run any code: expected a safetensors file",
    "get the `.safetensors` edition of it",
)
# What lies under the name of weights and is something else, by its first bytes.
_OTHER_FILES = (
    (b"PK\x03\x04", *_PICKLE),
    (b"\x80\x02", *_PICKLE),
    (
        b"GGUF",
        "is a GGUF file, whose weights are quantised: expected a safetensors file",
        "get the `.safetensors` edition of it",
    ),
    (
        b"<",
        "is a web page: expected a safetensors file",
        "download the file itself; a site that wants an account answers with a page to sign in",
    ),
)


@final
@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file.

    Attributes:
        dtype: As the format calls it: ``F32``, ``BF16`` ...
        shape: Its lengths.
        begin: Where its values begin, in bytes from the file's start.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int


@final
@dataclass(frozen=True, slots=True)
class Header:
    """What a file says: its tensors, and texts beside them by name."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]


def read_header(path: Path, *, sizes: Mapping[str, int], error: type[EdgediffError]) -> Header:
    """Read the header of a file.

    Args:
        path: The file.
        sizes: The dtypes that may be there, and how many bytes a number of each has.
        error: What is raised.

    Raises:
        EdgediffError: Of the type ``error``: the file cannot be read, is another kind of file, is truncated or
            damaged, or has a dtype that is not known.
    """
    reader = _Reader(path, sizes, error)
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for ever
            raise error(f"`{path.name}` is no regular file: expected a safetensors file")
        if is_pointer(path):
            raise error(f"`{path.name}` {PROBLEM}", hint=HINT)
        with path.open("rb") as file:
            values, start, size = reader.header(file)
    except (OSError, ValueError) as problem:  # ValueError: a name that no file can have
        if isinstance(problem, EdgediffError):
            raise
        reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        raise error(f"`{shown(path.name)}` cannot be read: {reason.lower()}") from problem
    stated = values.pop(_METADATA, None)
    metadata = {k: v for k, v in stated.items() if isinstance(v, str)} if isinstance(stated, dict) else {}
    return Header({name: reader.entry(name, entry, start=start, size=size) for name, entry in values.items()}, metadata)


@final
@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    sizes: Mapping[str, int]
    error: type[EdgediffError]

    def header(self, file: BinaryIO) -> tuple[dict[str, Any], int, int]:
        """The header, where the data start, and the file's length."""
        size = file.seek(0, 2)
        file.seek(0)
        first = file.read(_LENGTH_BYTES)
        header_bytes = int.from_bytes(first, "little")
        start = _LENGTH_BYTES + header_bytes
        if len(first) < _LENGTH_BYTES or start > size or header_bytes > _HEADER_LIMIT:
            file.seek(0)
            problem = f"it has {size:,} bytes and its header says {start:,}"
            raise self._other_file(file.read(64)) or self._damaged(problem)
        try:
            return parse_json(file.read(header_bytes).decode()), start, size
        except ValueError as problem:
            raise self._damaged(f"its header is not understood ({problem})") from problem

    def entry(self, name: str, entry: Any, *, start: int, size: int) -> TensorEntry:  # noqa: ANN401 - as JSON has it
        """One tensor's, checked against the file's length."""
        match entry:
            case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]}:
                pass
            case _:
                raise self._damaged(f"the entry of `{shown(name)}` in its header is not understood")
        if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
            raise self._damaged(f"the entry of `{shown(name)}` in its header has numbers that are no lengths")
        if len(shape) > _MOST_AXES or any(length > _LONGEST_AXIS for length in shape):
            raise self._damaged(f"`{shown(name)}` has a shape that no tensor has")
        if dtype not in self.sizes:
            raise self.error(
                f"`{self.path.name}` holds `{shown(name)}` as `{shown(dtype)}`, which is not read here: expected one "
                f"of {', '.join(self.sizes)}",
                hint="get an edition of it in half or single precision",
            )
        expected = math.prod(shape) * self.sizes[dtype]
        if end - begin != expected:
            raise self._damaged(f"`{shown(name)}` has {end - begin:,} bytes, expected {expected:,}")
        if start + end > size:
            raise self._damaged(f"it has {size:,} bytes and `{shown(name)}` ends at {start + end:,}")
        return TensorEntry(dtype, tuple(shape), start + begin)

    def _other_file(self, first: bytes) -> EdgediffError | None:
        for magic, what, hint in _OTHER_FILES:
            if first.lstrip().startswith(magic):
                return self.error(f"`{self.path.name}` {what}", hint=hint)
        return None

    def _damaged(self, problem: str) -> EdgediffError:
        return self.error(f"`{self.path.name}` is not a whole safetensors file: {problem}", hint=_DAMAGED)
