"""A graph on disk: one ``model.onnx``, and ``model.onnx_data`` beside it where the weights are large."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, final

import onnx_ir as ir

GRAPH_NAME = "model.onnx"
DATA_NAME = "model.onnx_data"  # optimum's name for it

# Up to this much the weights go into the graph's own file, so that a small bundle is few files. More would cost memory:
# a protobuf is built whole, and copied once more, before it can be written.
INLINE_BYTES = 64 << 20
# Tensors of a page and more go out, aligned so that an engine can map them; shapes and scalars stay in the graph, where
# shape inference sees them.
_PAGE_BYTES = 4096


@final
@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that was written: its name, its bytes, its SHA-256."""

    name: str
    bytes: int
    sha256: str


def write_graph(
    model: ir.Model, folder: Path, *, on_bytes: Callable[[int, int], None], inline_bytes: int | None = None
) -> tuple[WrittenFile, ...]:
    """Write a graph; each tensor is in memory only while it is written.

    Args:
        model: The graph. Its large initialisers refer to the data file afterwards.
        folder: Where to.
        on_bytes: Told the weight bytes done and in all.
        inline_bytes: Up to this much the weights go into the graph's own file; None: ``INLINE_BYTES``.

    Returns:
        The graph's file, then its data file if there is one.
    """
    total = sum(_bytes(value) for value in model.graph.initializers.values())
    files: list[WrittenFile] = []
    if total > (INLINE_BYTES if inline_bytes is None else inline_bytes):
        with (folder / DATA_NAME).open("wb") as file:
            stream = _HashedStream(file)
            for value in model.graph.initializers.values():
                if _bytes(value) >= _PAGE_BYTES:
                    _move_out(value, stream)
                    on_bytes(stream.position, total)
        files.append(WrittenFile(DATA_NAME, stream.position, stream.digest.hexdigest()))
    proto = ir.to_proto(model).SerializeToString(deterministic=True)
    (folder / GRAPH_NAME).write_bytes(proto)
    on_bytes(total, total)
    return (WrittenFile(GRAPH_NAME, len(proto), hashlib.sha256(proto).hexdigest()), *files)


def _bytes(value: ir.Value) -> int:
    return value.const_value.nbytes if value.const_value is not None else 0


def _move_out(value: ir.Value, stream: _HashedStream) -> None:
    tensor = value.const_value
    if tensor is None:
        return
    stream.write(bytes(-stream.position % _PAGE_BYTES))
    offset = stream.position
    # No tobytes: it would be a second copy of the largest tensor.
    stream.write(tensor.numpy().data.cast("B"))
    value.const_value = ir.ExternalTensor(
        DATA_NAME, offset, tensor.nbytes, tensor.dtype, shape=ir.Shape(tensor.shape.numpy()), name=str(value.name)
    )


@final
@dataclass(slots=True)
class _HashedStream:
    """A file being written, its position and its hash so far."""

    file: BinaryIO
    position: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def write(self, data: bytes | memoryview) -> None:
        self.file.write(data)
        self.digest.update(data)
        self.position += len(data)
