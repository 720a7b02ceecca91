"""A ``.safetensors`` file, mapped; its header is read by ``edgediff_runtimes.untrusted.safetensors``."""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.untrusted.safetensors import read_header

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
_SIZES = {name: dtype.itemsize for name, dtype in _DTYPES.items()}


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
    header = read_header(path, sizes=_SIZES, error=SourceError)
    try:
        with path.open("rb") as file:
            # A private copy-on-write mapping: torch wants writable memory, and the file itself must never change.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise SourceError(f"`{path.name}` cannot be read: {(error.strerror or str(error)).lower()}") from error
    entries = {name: TensorEntry(_DTYPES[one.dtype], one.shape, one.begin) for name, one in header.tensors.items()}
    return mapped, entries


def read_metadata(path: Path) -> dict[str, str]:
    """What the header of a file that was mapped already says beside its tensors: texts by name."""
    return dict(read_header(path, sizes=_SIZES, error=SourceError).metadata)
