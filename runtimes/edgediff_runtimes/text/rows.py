"""Texts to rows of one length: marks around the tokens of a text, what is too long cut off, padding beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from tokenizers import Tokenizer

from edgediff_runtimes.text.encoding import Encoded, warn_of_truncation


@final
@dataclass(frozen=True, slots=True)
class Chain:
    """What splits a text into tokens, and what stands around them.

    Attributes:
        tokenizer: Built here from vocabulary and rules, never read whole from a file.
        before: Ids of the marks before a text.
        after: Ids of the marks behind it.
        pad: The id of padding.
    """

    tokenizer: Tokenizer
    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int


@final
class RowEncoder:
    """A tokenizer of a bundle; see ``Encoder``."""

    def __init__(self, chain: Chain, *, max_tokens: int) -> None:
        """Take a chain; ``max_tokens`` is the length of a row where a caller says none."""
        self.max_tokens = max_tokens
        self._chain = chain

    def encode(self, texts: Sequence[str], *, length: int | None = None, side: str = "right") -> Encoded:
        """Marks, text, marks, padding; see ``Encoder``."""
        chain = self._chain
        length = self.max_tokens if length is None else length
        room = max(0, length - len(chain.before) - len(chain.after))
        ids = np.full((len(texts), length), chain.pad, np.int64)
        mask = np.zeros_like(ids)
        for row, (text, filled) in enumerate(zip(texts, mask, strict=True)):
            encoding = chain.tokenizer.encode(text, add_special_tokens=False)
            if len(encoding.ids) > room:
                warn_of_truncation(text, tokens=len(encoding.ids), room=room, place=encoding.offsets[room][0])
            found = [*chain.before, *encoding.ids[:room], *chain.after]
            place = slice(0, len(found)) if side == "right" else slice(length - len(found), None)
            ids[row, place] = found
            filled[place] = 1
        return Encoded(ids, mask)
