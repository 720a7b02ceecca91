"""What every kind of tokenizer gives, and how it tells that a text was cut off."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

_QUOTED = 80  # characters of what is cut off that the warning quotes


class PromptTruncationWarning(UserWarning):
    """A prompt has more tokens than the text encoder takes; the message says where it is cut off."""


@final
@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as tokens.

    Attributes:
        ids: ``(texts, length)``, int64.
        mask: 1 for a token of the text or a mark, 0 for padding; of the same shape and dtype.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


class Encoder(Protocol):
    """A tokenizer of a bundle.

    Attributes:
        max_tokens: Tokens of a text, marks included, where a part says no length.
    """

    @property
    def max_tokens(self) -> int:
        """See above."""

    def encode(
        self,
        texts: Sequence[str],
        *,
        lengths: Sequence[int] | None = None,
        side: str = "right",
        padding: str = "length",
        multiple: int = 1,
    ) -> Encoded:
        """Texts to tokens.

        Args:
            texts: One row each.
            lengths: Tokens of each text at most, marks included; None: ``max_tokens`` of each.
            side: Where padding goes: ``right`` or ``left``.
            padding: How long the rows get: ``length``, the largest of ``lengths``, or ``longest``, the tokens of the
                longest text.
            multiple: The rows of ``longest`` are made longer to a multiple of it.

        Text that does not fit is cut off with a ``PromptTruncationWarning``.
        """

    def count(self, text: str) -> int:
        """Tokens of a text, marks included."""

    @property
    def marks(self) -> tuple[int, int]:
        """How many marks stand before a text and behind it."""

    def split(self, text: str) -> Sequence[tuple[int, str]]:
        """The tokens of a text without marks, however many: each its id, and what the vocabulary has for it."""

    def rows(self, texts: Sequence[Sequence[int]], *, length: int) -> NDArray[np.int64]:
        """Ids of texts that fit, with marks around them and padding behind: ``(texts, length)``."""


def warn_of_truncation(text: str, *, tokens: int, room: int, place: int, hint: str = "") -> None:
    """Say that a text was cut off at character ``place`` because it has more tokens than there is room for."""
    cut = text[place:]
    beginning = cut if len(cut) <= _QUOTED else f"{cut[:_QUOTED]}…"
    warnings.warn(
        f"the prompt has {tokens} tokens, {room} fit: {tokens - room} cut off, beginning with {beginning!r}{hint}",
        PromptTruncationWarning,
        stacklevel=_callers_level(),
    )


def _callers_level() -> int:
    """The ``stacklevel`` of the first caller outside of this package, however deep inside a run this is."""
    package = __name__.partition(".")[0]
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level
