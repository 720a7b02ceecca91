"""What an ``.onnx`` file holds, as far as its weights need it: initialisers, nodes, and the file's own bytes.

ONNX is protobuf (``onnx.proto3`` of https://github.com/onnx/onnx); fields that are not needed are passed over.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, final

import numpy as np

from edgediff_runtimes.errors import BundleError, shown
from edgediff_runtimes.tensors import Array

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # protobuf's kinds of fields
_FIXED = {_EIGHT: 8, _FOUR: 4}
# Numbers of fields: of ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto, StringStringEntryProto.
_GRAPH, _NODE, _INITIALISER, _SHAPE = 7, 1, 5, 13
_INPUT, _OUTPUT, _NAME, _OP, _ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_TYPE = 1, 3, 20
_DIMS, _TYPE, _FLOAT_DATA, _INT32_DATA, _TENSOR_NAME, _RAW, _EXTERNAL, _KEY, _VALUE = 1, 2, 4, 5, 8, 9, 13, 1, 2
_LOCATION = 14  # of a TensorProto: whether its values are beside the graph
_FLOAT, _INT = 1, 2  # TensorProto's and AttributeProto's words for float32 and for a whole number
_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
_WHOLE = ("uint8", "int8", "int32", "bool")  # dtypes whose values may stand in `int32_data`
_LONGEST_VARINT = 10  # bytes
_Field: TypeAlias = tuple[int, int, int, int]  # number, kind, and its value, or where its bytes begin and end


@final
@dataclass(frozen=True, slots=True)
class Initialiser:
    """A tensor of a graph.

    Attributes:
        name: Its name.
        dtype: NumPy's; None where it has none that is read here.
        shape: Its lengths.
        begin: Where its bytes are, in the graph's file or in ``file``; None where they are not stored as such.
        bytes: How many.
        file: The file beside the graph that holds them; None: the graph's own.
        numbers: The values of a small tensor that is stored as whole numbers one by one.
    """

    name: str
    dtype: str | None
    shape: tuple[int, ...]
    begin: int | None
    bytes: int
    file: str | None
    numbers: tuple[int, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Node:
    """An operation: its type, its name, and the names of what it reads and gives; its whole-number attributes."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: dict[str, int]


@final
@dataclass(frozen=True)
class OnnxFile:
    """An opened graph. Nothing of its weights is read before it is asked for.

    Attributes:
        path: The file.
        initialisers: Its tensors by name.
        nodes: Its operations.
    """

    path: Path
    initialisers: dict[str, Initialiser]
    nodes: tuple[Node, ...]
    _maps: dict[str | None, mmap.mmap] = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> OnnxFile:
        """Open a graph.

        Raises:
            BundleError: It is no ONNX file, or cannot be read.
        """
        mapped = _mapped(path)
        view = memoryview(mapped)
        initialisers: dict[str, Initialiser] = {}
        nodes: list[Node] = []
        try:
            for number, kind, begin, end in _fields(view, 0, len(view)):
                if (number, kind) != (_GRAPH, _BYTES):
                    continue
                for inner, inner_kind, first, last in _fields(view, begin, end):
                    if (inner, inner_kind) == (_INITIALISER, _BYTES):
                        one = _initialiser(view, first, last)
                        initialisers[one.name] = one
                    elif (inner, inner_kind) == (_NODE, _BYTES):
                        nodes.append(_node(view, first, last))
        except (ValueError, IndexError) as error:
            raise BundleError(f"`{path.name}` cannot be read as an ONNX graph: {error}") from error
        finally:
            view.release()
        return cls(path, initialisers, tuple(nodes), {None: mapped})

    def array(self, name: str) -> Array:
        """The values of an initialiser, in the mapped file; not to be written to.

        Raises:
            BundleError: They are not there, or lie outside of the graph's directory.
        """
        one = self.initialisers[name]
        if one.numbers and one.dtype in _WHOLE and len(one.numbers) == np.prod(one.shape, dtype=np.int64):
            return np.array(one.numbers, np.int64).astype(one.dtype).reshape(one.shape)
        if one.dtype is None or one.begin is None:
            raise BundleError(
                f"`{shown(name)}` of `{self.path.name}` is stored in a way that is not read here: expected raw bytes",
                hint="export the bundle again",
            )
        if one.file not in self._maps:
            self._maps[one.file] = _mapped(_beside(self.path, str(one.file)))
        mapped, dtype = self._maps[one.file], np.dtype(one.dtype)
        count = int(np.prod(one.shape, dtype=np.int64))
        if one.bytes != count * dtype.itemsize or one.begin + one.bytes > len(mapped):
            raise BundleError(f"`{shown(name)}` of `{self.path.name}` has not the bytes that its shape needs")
        return np.frombuffer(mapped, dtype, count, one.begin).reshape(one.shape)

    def rewritten(self, arrays: Mapping[str, Array], beside: Mapping[str, Array] | None = None) -> bytes:
        """The graph's own bytes with other values of some initialisers in it.

        Args:
            arrays: By name. Of the dtype of what is there, or in float16 where the numbers that a ``DequantizeLinear``
                widens are there: it becomes a ``Cast``. Of another shape as well.
            beside: Likewise, of the same shape: those that the reader gets by name, and which are not written.
        """
        beside = beside or {}
        alike = all(self._is_alike(name, array) for name, array in (*arrays.items(), *beside.items()))
        inside = all(
            self.initialisers[name].begin is not None and self.initialisers[name].file is None for name in arrays
        )
        return bytes(self._patched(arrays) if alike and inside else self._written_anew(arrays, beside))

    def _is_alike(self, name: str, array: Array) -> bool:
        one = self.initialisers[name]
        return array.shape == one.shape and array.dtype == one.dtype

    def _patched(self, arrays: Mapping[str, Array]) -> bytearray:
        data = bytearray(memoryview(self._maps[None]))
        for name, array in arrays.items():
            one = self.initialisers[name]
            begin = one.begin or 0
            data[begin : begin + one.bytes] = np.ascontiguousarray(array).tobytes()
        return data

    def _written_anew(self, arrays: Mapping[str, Array], beside: Mapping[str, Array]) -> bytearray:
        """All fields one by one; shapes that the graph states of what is made of these are left out."""
        stale = {name for node in self.nodes if {*node.inputs} & arrays.keys() for name in node.outputs}
        others, nodes = {**arrays, **beside}, iter(self.nodes)
        halved = {name for name, array in others.items() if array.dtype != self.initialisers[name].dtype}
        view = memoryview(self._maps[None])
        graph, data = bytearray(), bytearray()
        for number, kind, begin, end in _fields(view, 0, len(view)):
            if (number, kind) != (_GRAPH, _BYTES):
                data += _field(number, kind, begin, view[begin:end])
                continue
            for inner, inner_kind, first, last in _fields(view, begin, end):
                content: memoryview | bytes = view[first:last]
                if (inner, inner_kind) == (_INITIALISER, _BYTES):
                    name = _initialiser(view, first, last).name
                    if name in others:
                        content = _tensor(view, first, last, others[name], written=name in arrays)
                elif (inner, inner_kind) == (_NODE, _BYTES):
                    node = next(nodes)
                    content = _cast(node) if node.op == "DequantizeLinear" and node.inputs[0] in halved else content
                if inner == _SHAPE and _value_name(view, first, last) in stale:
                    continue
                graph += _field(inner, inner_kind, first, content)
            data += _field(_GRAPH, _BYTES, 0, graph)
            graph = bytearray()
        return data


def _value_name(view: memoryview, begin: int, end: int) -> str:
    """Of a ValueInfoProto, which has it first."""
    return next((_text(view, one, two) for number, _, one, two in _fields(view, begin, end) if number == _KEY), "")


def _field(number: int, kind: int, value: int, content: bytes | bytearray | memoryview) -> bytes:
    """A field as it is written."""
    key = _written(number << 3 | kind)
    if kind == _VARINT:
        return key + _written(value)
    return key + (_written(len(content)) if kind == _BYTES else b"") + bytes(content)


def _written(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits in a byte
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _tensor(view: memoryview, begin: int, end: int, array: Array, *, written: bool) -> bytes:
    """An initialiser with the shape and dtype of an array, and its values unless they stay beside the graph."""
    dims = b"".join(_field(_DIMS, _VARINT, length, b"") for length in array.shape)
    dtype = next(number for number, name in _DTYPES.items() if name == array.dtype)
    kept = b"".join(
        _field(number, kind, first, view[first:last])
        for number, kind, first, last in _fields(view, begin, end)
        if number == _TENSOR_NAME or (number in (_EXTERNAL, _LOCATION) and not written)
    )
    values = _field(_RAW, _BYTES, 0, np.ascontiguousarray(array).tobytes()) if written else b""
    return dims + _field(_TYPE, _VARINT, dtype, b"") + kept + values


def _cast(node: Node) -> bytes:
    """In place of a node: one that makes float32 of its first input."""
    to = _field(_ATTRIBUTE_NAME, _BYTES, 0, b"to") + _field(_ATTRIBUTE_INT, _VARINT, _FLOAT, b"")
    fields = (
        (_INPUT, node.inputs[0].encode()),
        *((_OUTPUT, name.encode()) for name in node.outputs),
        (_NAME, node.name.encode()),
        (_OP, b"Cast"),
        (_ATTRIBUTE, to + _field(_ATTRIBUTE_TYPE, _VARINT, _INT, b"")),
    )
    return b"".join(_field(number, _BYTES, 0, content) for number, content in fields)


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise BundleError(f"`{shown(path.name)}` cannot be read ({error})") from error


def _beside(graph: Path, name: str) -> Path:
    """A file of weights, which must lie in its graph's directory."""
    if not name or name in (".", "..") or any(sign in name for sign in "/\\:\x00"):
        raise BundleError(f"`{graph.name}` names weights in `{shown(name)}`: expected a file beside it")
    return graph.with_name(name)


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    """A number, and where the next thing begins."""
    value = 0
    for index in range(_LONGEST_VARINT):
        byte = view[place + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether it goes on
            return value, place + index + 1
    raise ValueError("a number in it does not end")


def _fields(view: memoryview, place: int, end: int) -> Iterator[_Field]:
    """The fields of a message: the value of a number as ``(number, 0, value, value)``, else where its bytes are."""
    while place < end:
        key, place = _varint(view, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(view, place)
            yield key >> 3, kind, value, value
            continue
        if kind == _BYTES:
            length, place = _varint(view, place)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError("a field in it is of no known kind")
        if place + length > end:
            raise ValueError("a field in it ends behind what holds it")
        yield key >> 3, kind, place, place + length
        place += length


def _text(view: memoryview, begin: int, end: int) -> str:
    return bytes(view[begin:end]).decode()


def _numbers(view: memoryview, begin: int, end: int) -> Iterator[int]:
    while begin < end:
        value, begin = _varint(view, begin)
        yield value


def _entry(view: memoryview, begin: int, end: int) -> tuple[str, str]:
    texts = {number: _text(view, one, two) for number, _, one, two in _fields(view, begin, end)}
    return texts.get(_KEY, ""), texts.get(_VALUE, "")


def _initialiser(view: memoryview, begin: int, end: int) -> Initialiser:
    name, dtype = "", 0
    shape: list[int] = []
    raw: tuple[int | None, int] = (None, 0)
    external: dict[str, str] = {}
    values: list[int] = []
    for number, kind, first, last in _fields(view, begin, end):
        if number == _DIMS:
            shape += [first] if kind == _VARINT else _numbers(view, first, last)
        elif number == _TYPE and kind == _VARINT:
            dtype = first
        elif number == _TENSOR_NAME:
            name = _text(view, first, last)
        elif number == _RAW or (number == _FLOAT_DATA and kind == _BYTES):  # packed floats are their bytes
            raw = first, last - first
        elif number == _INT32_DATA:
            values += [first] if kind == _VARINT else _numbers(view, first, last)
        elif number == _EXTERNAL:
            external.update([_entry(view, first, last)])
    if "location" in external:
        place, size = int(external.get("offset", 0)), int(external.get("length", 0))
        if min(place, size) < 0:
            raise ValueError("weights beside it are at no place")
        raw = place, size
    signed = tuple(value - 2**64 if value >= 2**63 else value for value in values)
    return Initialiser(name, _DTYPES.get(dtype), tuple(shape), *raw, external.get("location"), signed)


def _node(view: memoryview, begin: int, end: int) -> Node:
    texts: dict[int, list[str]] = {number: [] for number in (_INPUT, _OUTPUT, _NAME, _OP)}
    numbers: dict[str, int] = {}
    for number, kind, first, last in _fields(view, begin, end):
        if kind == _BYTES and number in texts:
            texts[number].append(_text(view, first, last))
        elif kind == _BYTES and number == _ATTRIBUTE:
            numbers.update(_attribute(view, first, last))
    op, name = ("".join(texts[number][-1:]) for number in (_OP, _NAME))
    return Node(op, name, tuple(texts[_INPUT]), tuple(texts[_OUTPUT]), numbers)


def _attribute(view: memoryview, begin: int, end: int) -> dict[str, int]:
    """A whole number by its name; nothing of an attribute that is something else."""
    name, value = "", None
    for number, kind, first, last in _fields(view, begin, end):
        if number == _ATTRIBUTE_NAME and kind == _BYTES:
            name = _text(view, first, last)
        elif number == _ATTRIBUTE_INT and kind == _VARINT:
            value = first - 2**64 if first >= 2**63 else first
    return {} if value is None else {name: value}
