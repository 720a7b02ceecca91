"""SentencePiece's table of characters to rewrite, checked: the library that reads it ends the interpreter at a bad one.

The table is the length of a trie in bytes (32 bits, as all numbers here, least byte first), the trie, and texts that
end with a zero byte. The trie is a double array (Aoe 1989, "An Efficient Digital Search Algorithm by Using a
Double-Array Structure") as the Darts-clone library lays it out, of the bytes of UTF-8: a leaf is where a text begins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.untrusted.bounds import REWRITTEN

_HEADER = 4  # bytes
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
