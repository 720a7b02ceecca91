"""Weights read in place: each tensor is a view of a memory-mapped ``.safetensors`` file.

Nothing is loaded until a tensor's values are looked at, and the pages that hold them can be dropped by the system at
any time: they count as resident, never as private memory. We drop them ourselves once they were used, so that they
push nothing else out. The files are read as the format defines them (https://github.com/huggingface/safetensors,
"Format"); no pickle is ever opened.
"""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from edgediff_runtimes.errors import SourceError

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "I8": torch.int8,
    "BOOL": torch.bool,
}
_LENGTH_BYTES = 8
_REPAIR = "download or save the model again; the file is damaged or was not fully copied"


@final
@dataclass(frozen=True, slots=True)
class Weights:
    """Tensors by name, as views of mapped files. A file stays mapped while any of its tensors lives.

    Attributes:
        tensors: The tensors.
        maps: The mapped files.
    """

    tensors: Mapping[str, torch.Tensor]
    maps: tuple[mmap.mmap, ...]

    def renamed(self, rename: Callable[[str], str]) -> Weights:
        """The same tensors by other names."""
        return Weights({rename(name): tensor for name, tensor in self.tensors.items()}, self.maps)

    def drop_pages(self) -> None:
        """Let go of the memory behind the tensors; they can be used as before and are read from the files again."""
        if sys.platform == "linux":  # elsewhere dropping may lose data or is not offered: the system decides there
            for mapped in self.maps:
                mapped.madvise(mmap.MADV_DONTNEED)


def map_weights(paths: list[Path]) -> Weights:
    """Map one ``.safetensors`` file, or the shards of one component.

    Raises:
        SourceError: A file is truncated, damaged, or holds a dtype that no model here has.
    """
    tensors: dict[str, torch.Tensor] = {}
    maps = []
    for path in paths:
        mapped, entries, start = _map(path)
        maps.append(mapped)
        tensors.update({name: _view(path, name, entry, mapped, start) for name, entry in entries.items()})
    return Weights(tensors, tuple(maps))


def _map(path: Path) -> tuple[mmap.mmap, dict[str, dict[str, Any]], int]:
    """The mapped file, the entries of its header, and where its data start."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        header_bytes = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        start = _LENGTH_BYTES + header_bytes
        if size < _LENGTH_BYTES or start > size:
            raise _damaged(path, f"it has {size:,} bytes and its header says {start:,}")
        header = _read_header(path, file.read(header_bytes))
        # A private copy-on-write mapping: torch wants writable memory, and the file itself must never change.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return mapped, header, start


def _read_header(path: Path, text: bytes) -> dict[str, dict[str, Any]]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise _damaged(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a JSON object")
    header.pop("__metadata__", None)
    return header


def _view(path: Path, name: str, entry: dict[str, Any], mapped: mmap.mmap, start: int) -> torch.Tensor:
    try:
        dtype = _DTYPES[entry["dtype"]]
        shape = [int(length) for length in entry["shape"]]
        begin, end = (start + int(offset) for offset in entry["data_offsets"])
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"the entry of `{name}` in its header is not understood") from error
    count = torch.Size(shape).numel()
    if end - begin != count * dtype.itemsize or begin < start:
        raise _damaged(path, f"`{name}` has {end - begin:,} bytes, expected {count * dtype.itemsize:,}")
    if end > len(mapped):
        raise _damaged(path, f"it has {len(mapped):,} bytes and `{name}` ends at {end:,}")
    if count == 0:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(mapped, dtype=dtype, count=count, offset=begin).reshape(shape)


def _damaged(path: Path, problem: str) -> SourceError:
    return SourceError(f"`{path.name}` is not a whole safetensors file: {problem}", hint=_REPAIR)
