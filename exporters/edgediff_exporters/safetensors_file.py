"""A ``.safetensors`` file, mapped: what its header says of each tensor, believed only where the file bears it out.

The format is https://github.com/huggingface/safetensors, "Format": eight bytes of length, a JSON header, the data.
A file that is whole and something else is named as what it is; no pickle is ever opened.
"""

from __future__ import annotations

import math
import mmap
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, final

import torch

from edgediff_exporters.git_lfs import refuse_pointer
from edgediff_runtimes.errors import SourceError, shown
from edgediff_runtimes.untrusted.documents import parse_json

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_HEADER_LIMIT = 100_000_000  # the format's own library refuses longer ones
_MOST_AXES = 16  # more than any layer has
_LONGEST_AXIS = 2**40
_DAMAGED = "download or save the model again; the file is damaged or was not fully copied"
# What lies under the name of weights and is something else, by its first bytes.
_OTHER_FILES = (
    (
        b"PK\x03\x04",
        "is a pickle by another name, which can run any code: expected a safetensors file",
        "get the `.safetensors` edition of the model",
    ),
    (
        b"GGUF",
        "is a GGUF file, whose weights are quantised: expected a safetensors file",
        "get the `.safetensors` edition of the model",
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
    """One tensor of a file: its dtype, its shape, and where its values begin, in bytes from the file's start."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int

    def view(self, mapped: mmap.mmap) -> torch.Tensor:
        """The tensor, sharing the file's memory."""
        count = math.prod(self.shape)
        if count == 0:
            return torch.empty(self.shape, dtype=self.dtype)
        return torch.frombuffer(mapped, dtype=self.dtype, count=count, offset=self.begin).reshape(self.shape)


def map_file(path: Path) -> tuple[mmap.mmap, dict[str, TensorEntry]]:
    """Map a file and read its header.

    Raises:
        SourceError: It cannot be read, is another kind of file, is truncated or damaged, or has a dtype that is not
            known.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for ever
            raise SourceError(f"`{path.name}` is no regular file: expected a safetensors file")
        refuse_pointer(path)
        with path.open("rb") as file:
            header, start, size = _read_header(path, file)
            # A private copy-on-write mapping: torch wants writable memory, and the file itself must never change.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise SourceError(f"`{path.name}` cannot be read: {(error.strerror or str(error)).lower()}") from error
    header.pop(_METADATA, None)
    return mapped, {name: _entry(path, name, entry, start=start, size=size) for name, entry in header.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """What the header of a file that was mapped already says beside its tensors: texts by name."""
    with path.open("rb") as file:
        header, _, _ = _read_header(path, file)
    stated = header.get(_METADATA)
    return {k: v for k, v in stated.items() if isinstance(v, str)} if isinstance(stated, dict) else {}


def _read_header(path: Path, file: BinaryIO) -> tuple[dict[str, Any], int, int]:
    """The header, where the data start, and the file's length."""
    size = file.seek(0, 2)
    file.seek(0)
    first = file.read(_LENGTH_BYTES)
    header_bytes = int.from_bytes(first, "little")
    start = _LENGTH_BYTES + header_bytes
    if len(first) < _LENGTH_BYTES or start > size or header_bytes > _HEADER_LIMIT:
        file.seek(0)
        raise _other_file(path, file.read(64)) or _damaged(path, f"it has {size:,} bytes and its header says {start:,}")
    try:
        header = parse_json(file.read(header_bytes).decode())
    except ValueError as error:
        raise _damaged(path, f"its header is not understood ({error})") from error
    return header, start, size


def _other_file(path: Path, first: bytes) -> SourceError | None:
    for magic, what, hint in _OTHER_FILES:
        if first.lstrip().startswith(magic):
            return SourceError(f"`{path.name}` {what}", hint=hint)
    return None


def _entry(path: Path, name: str, entry: Any, *, start: int, size: int) -> TensorEntry:  # noqa: ANN401 - as JSON has it
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [begin, end]}:
            pass
        case _:
            raise _damaged(path, f"the entry of `{shown(name)}` in its header is not understood")
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise _damaged(path, f"the entry of `{shown(name)}` in its header has numbers that are no lengths")
    if len(shape) > _MOST_AXES or any(length > _LONGEST_AXIS for length in shape):
        raise _damaged(path, f"`{shown(name)}` has a shape that no tensor has")
    if dtype not in _DTYPES:
        raise SourceError(
            f"`{path.name}` holds `{shown(name)}` as `{shown(dtype)}`, which is not read here: expected one "
            f"of {', '.join(_DTYPES)}",
            hint="get an edition of the model in half or single precision",
        )
    expected = math.prod(shape) * _DTYPES[dtype].itemsize
    if end - begin != expected:
        raise _damaged(path, f"`{shown(name)}` has {end - begin:,} bytes, expected {expected:,}")
    if start + end > size:
        raise _damaged(path, f"it has {size:,} bytes and `{shown(name)}` ends at {start + end:,}")
    return TensorEntry(_DTYPES[dtype], tuple(shape), start + begin)


def _damaged(path: Path, problem: str) -> SourceError:
    return SourceError(f"`{path.name}` is not a whole safetensors file: {problem}", hint=_DAMAGED)
