"""SentencePiece's own files (``spiece.model``, ``tokenizer.model``): a small reader of the protocol buffer inside.

Fields are numbered as in ``sentencepiece_model.proto`` (Kudo and Richardson 2018, "SentencePiece"). A message is a row
of fields: a key (the field's number times eight, plus how it is written), and the value.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from edgediff_runtimes.untrusted.bounds import TOKENIZER_BYTES, VOCABULARY
from edgediff_runtimes.untrusted.documents import read_bytes

UNIGRAM, BPE = 1, 2
NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """A piece: its text, its score (a logarithm of its probability, or minus its rank), and its type."""

    text: str
    score: float
    type: int


@final
@dataclass(frozen=True, slots=True)
class Pieces:
    """What such a file says.

    Attributes:
        pieces: By id.
        algorithm: ``UNIGRAM`` or ``BPE`` or another number.
        byte_fallback: Whether characters without a piece become their bytes.
        charsmap: The table of characters to rewrite; empty: none.
        dummy_prefix: Whether a text gets a space before it.
        squeezes_spaces: Whether spaces at the ends are removed and runs made one.
    """

    pieces: tuple[Piece, ...]
    algorithm: int
    byte_fallback: bool
    charsmap: bytes
    dummy_prefix: bool
    squeezes_spaces: bool


def read_pieces(directory: Path, name: str) -> Pieces:
    """Read such a file.

    Raises:
        ComponentFileError: It is missing or cannot be read.
        ValueError: It is not such a file.
    """
    data = read_bytes(directory / name, name=f"{directory.name}/{name}", bound=TOKENIZER_BYTES)
    pieces: list[Piece] = []
    trainer: dict[int, int | float | bytes] = {}
    normalizer: dict[int, int | float | bytes] = {}
    try:
        for field, value in _fields(data):
            if field == 1 and isinstance(value, bytes):
                pieces.append(_piece(dict(_fields(value))))
            elif field in (2, 3) and isinstance(value, bytes):
                (trainer if field == 2 else normalizer).update(_fields(value))  # noqa: PLR2004 - its number
            if len(pieces) > VOCABULARY.most:
                raise ValueError(f"`{name}` has too many pieces: expected {VOCABULARY.expected}")
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"`{name}` is no SentencePiece model") from error
    charsmap, algorithm = normalizer.get(2, b""), trainer.get(3, UNIGRAM)
    if not isinstance(charsmap, bytes) or not isinstance(algorithm, int):
        raise ValueError(f"`{name}` is no SentencePiece model")  # noqa: TRY004 - of the file
    return Pieces(
        tuple(pieces),
        algorithm=algorithm,
        byte_fallback=bool(trainer.get(35, 0)),
        charsmap=charsmap,
        dummy_prefix=bool(normalizer.get(3, 1)),
        squeezes_spaces=bool(normalizer.get(4, 1)),
    )


def _piece(fields: dict[int, int | float | bytes]) -> Piece:
    text, score, kind = fields.get(1, b""), fields.get(2, 0.0), fields.get(3, NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, float) or not isinstance(kind, int):
        raise IndexError
    return Piece(text.decode(), score, kind)


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a message, each with its number."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        written = key & 7
        if written == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
        elif written == _BYTES:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise IndexError
            yield key >> 3, data[place : place + length]
            place += length
        elif written in (_DOUBLE, _FLOAT):
            layout = "<d" if written == _DOUBLE else "<f"
            yield key >> 3, struct.unpack_from(layout, data, place)[0]
            place += struct.calcsize(layout)
        else:
            raise IndexError


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A whole number: seven bits a byte, the least first, the highest bit of all but the last byte set."""
    value = 0
    for index in range(_LONGEST_VARINT):
        byte = data[place + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:  # noqa: PLR2004 - said above
            return value, place + index + 1
    raise IndexError
