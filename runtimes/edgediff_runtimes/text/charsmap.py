"""SentencePiece's table of characters to rewrite, checked: the library that reads it ends the interpreter at a bad one.

The table is the length of a trie in bytes (32 bits, as all numbers here, least byte first), the trie, and texts that
end with a zero byte. The trie is a double array (Aoe 1989, "An Efficient Digital Search Algorithm by Using a
Double-Array Structure") as the Darts-clone library lays it out, of the bytes of UTF-8: a leaf is where a text begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.untrusted.bounds import REWRITTEN

_HEADER = 4  # bytes
_LONGEST_ENTRY = 256  # bytes; those of Unicode have 18
_BLOCK = 256  # the children of a node lie in one
_BYTES = np.arange(1, _BLOCK, dtype=np.uint32)  # a text has no zero byte


def check_charsmap(table: bytes) -> None:
    """Refuse a table in which a text, whatever it is, could lead outside.

    Raises:
        ValueError: It has the wrong length, a node or a leaf leads outside, or a rewritten character is too long.
    """
    size = int.from_bytes(table[:_HEADER], "little")
    if len(table) <= _HEADER or not 0 < size < len(table) - _HEADER or size % (_HEADER * _BLOCK):
        raise ValueError(f"its table of characters has {len(table):,} bytes, {size:,} of them a trie: expected blocks")
    texts = table[_HEADER + size :]
    try:
        texts.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the texts of its table of characters are no UTF-8 ({error.reason})") from error
    if not texts.endswith(b"\0"):
        raise ValueError("the texts of its table of characters have no end")
    longest = max(map(len, texts.split(b"\0")))
    if longest > REWRITTEN.most:
        raise ValueError(f"its table rewrites a character to {longest:,} bytes: expected {REWRITTEN.expected}")
    units = np.frombuffer(table, "<u4", size // _HEADER, _HEADER).astype(np.uint32)
    leaves = _leaves(units)
    starts = np.frombuffer(texts, np.uint8)
    # The second byte of a character and those behind it begin with the bits 10.
    if (leaves >= len(starts)).any() or (starts[leaves] & 0xC0 == 0x80).any():  # noqa: PLR2004 - said above
        raise ValueError("a leaf of its table of characters is at no text")


def _leaves(units: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Where the texts of all leaves begin."""
    seen = np.zeros(len(units), bool)
    found = []
    bases = _children(units[:1], np.zeros(1, np.uint32), len(units))
    while len(bases):
        seen[bases] = True
        places = (bases[:, None] ^ _BYTES).ravel()
        real = (units[places] & 0x800000FF) == np.tile(_BYTES, len(bases))
        nodes, places = units[places[real]], places[real]
        bases = _children(nodes, places, len(units))
        found.append(units[bases[(nodes & 0x100) != 0]] & 0x7FFFFFFF)
        bases = np.unique(bases[~seen[bases]])
    return np.concatenate(found) if found else np.zeros(0, np.uint32)


def _children(nodes: NDArray[np.uint32], places: NDArray[np.uint32], size: int) -> NDArray[np.uint32]:
    """Where the children of nodes are, from bits 10 to 31 of each, times 256 where bit 9 is set."""
    bases = (places ^ ((nodes >> 10) << ((nodes & 0x200) >> 6))).astype(np.uint32)
    if (bases >= size).any():
        raise ValueError("a node of its table of characters leads outside")
    return bases


def rewriting(table: bytes, kept: Collection[str]) -> Callable[[str], str]:
    """A function that rewrites a text as SentencePiece itself does: the longest entry at every place.

    The library of ``tokenizers`` looks at whole graphemes first, which is what T5 gets in transformers.

    Args:
        table: One that ``check_charsmap`` has passed.
        kept: Texts that stay as they are, the longest first.
    """
    size = int.from_bytes(table[:_HEADER], "little")
    units = np.frombuffer(table, "<u4", size // _HEADER, _HEADER).tolist()
    texts = table[_HEADER + size :]
    known = [text.encode() for text in kept]

    def rewrite(text: str) -> str:
        data, place, written = text.encode(), 0, []
        while place < len(data):
            own = next((word for word in known if data.startswith(word, place)), b"")
            length, start = (len(own), -1) if own else _longest(units, data, place)
            if start >= 0:
                written.append(texts[start : texts.index(b"\0", start)])
            else:
                length = length or _width(data[place])
                written.append(data[place : place + length])
            place += length
        return b"".join(written).decode(errors="replace")  # an entry may end inside a character

    return rewrite


def _longest(units: list[int], data: bytes, place: int) -> tuple[int, int]:
    """Length of the longest entry at a place of a text, and where its rewriting starts; (0, -1): none is there."""
    found = (0, -1)
    node = _child(units[0], 0)
    for length, byte in enumerate(data[place : place + _LONGEST_ENTRY], start=1):
        node ^= byte
        unit = units[node]
        if unit & 0x800000FF != byte or byte == 0:
            break
        node = _child(unit, node)
        if unit & 0x100:
            found = (length, units[node] & 0x7FFFFFFF)
    return found


def _child(unit: int, place: int) -> int:
    """As ``_children``, of one node."""
    return place ^ ((unit >> 10) << ((unit & 0x200) >> 6))


def _width(byte: int) -> int:
    """Bytes of the character in UTF-8 that begins with one."""
    return 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)  # noqa: PLR2004 - the bits of UTF-8
