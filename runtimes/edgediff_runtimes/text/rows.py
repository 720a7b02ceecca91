"""Texts to rows of one length: marks around the tokens of a text, what is too long cut off, padding beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
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
        prepare: What is done to a text first.
    """

    tokenizer: Tokenizer
    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    prepare: Callable[[str], str] = str


@final
class RowEncoder:
    """A tokenizer of a bundle; see ``Encoder``."""

    def __init__(self, chain: Chain, *, max_tokens: int, hint: str = "") -> None:
        """Take a chain; ``max_tokens`` as of ``Encoder``, and what to say beside a text that is too long."""
        self._max_tokens = max_tokens
        self._hint = hint
        self._chain = chain

    @property
    def max_tokens(self) -> int:
        """See ``Encoder``."""
        return self._max_tokens

    def encode(
        self,
        texts: Sequence[str],
        *,
        lengths: Sequence[int] | None = None,
        side: str = "right",
        padding: str = "length",
        multiple: int = 1,
    ) -> Encoded:
        """Marks, text, marks, padding; see ``Encoder``."""
        lengths = [self._max_tokens] * len(texts) if lengths is None else lengths
        found = [self._row(text, length) for text, length in zip(texts, lengths, strict=True)]
        longest = max((len(row) for row in found), default=0)
        width = max(lengths, default=0) if padding == "length" else -(-longest // multiple) * multiple
        ids = np.full((len(texts), width), self._chain.pad, np.int64)
        mask = np.zeros_like(ids)
        for row, of_ids, of_mask in zip(found, ids, mask, strict=True):
            place = slice(0, len(row)) if side == "right" else slice(width - len(row), None)
            of_ids[place] = row
            of_mask[place] = 1
        return Encoded(ids, mask)

    def count(self, text: str) -> int:
        """See ``Encoder``."""
        chain = self._chain
        ids = chain.tokenizer.encode(chain.prepare(text), add_special_tokens=False).ids
        return len(chain.before) + len(ids) + len(chain.after)

    @property
    def marks(self) -> tuple[int, int]:
        """See ``Encoder``."""
        return len(self._chain.before), len(self._chain.after)

    def split(self, text: str) -> list[tuple[int, str]]:
        """See ``Encoder``."""
        encoding = self._chain.tokenizer.encode(self._chain.prepare(text), add_special_tokens=False)
        return list(zip(encoding.ids, encoding.tokens, strict=True))

    def rows(self, texts: Sequence[Sequence[int]], *, length: int) -> NDArray[np.int64]:
        """See ``Encoder``."""
        ids = np.full((len(texts), length), self._chain.pad, np.int64)
        for row, text in zip(ids, texts, strict=True):
            marked = [*self._chain.before, *text, *self._chain.after]
            row[: len(marked)] = marked
        return ids

    def _row(self, text: str, length: int) -> list[int]:
        """The ids of a text, with marks, of which there are at most ``length``."""
        chain = self._chain
        room = max(0, length - len(chain.before) - len(chain.after))
        text = chain.prepare(text)
        encoding = chain.tokenizer.encode(text, add_special_tokens=False)
        if len(encoding.ids) > room:
            place = encoding.offsets[room][0]
            warn_of_truncation(text, tokens=len(encoding.ids), room=room, place=place, hint=self._hint)
        return [*chain.before, *encoding.ids[:room], *chain.after][:length]
