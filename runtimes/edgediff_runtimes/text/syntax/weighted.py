"""Texts that are several rows of a text encoder each: what becomes of the rows' states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.tensors import Floats


class Weighted(ABC):
    """One text as rows of a text encoder."""

    @property
    @abstractmethod
    def ids(self) -> NDArray[np.int64]:
        """``(rows, length)``."""

    @property
    @abstractmethod
    def chunks(self) -> int:
        """The text's states are ``chunks * length`` tokens."""

    @abstractmethod
    def padded(self, chunks: int) -> Weighted:
        """The text with empty chunks behind it, so that it has ``chunks``."""

    @abstractmethod
    def states(self, states: Floats) -> Floats:
        """The text's states, ``(chunks * length, width)``, from those of its rows, ``(rows, length, width)``."""


def in_texts(texts: Sequence[Weighted], rows: Floats) -> Floats:
    """The output of a text encoder for each text, from that for each row.

    Args:
        texts: In the order of their rows.
        rows: States ``(rows, length, width)``, or vectors ``(rows, width)``, of which a text has its first row's.
    """
    ends = np.cumsum([len(text.ids) for text in texts])[:-1]
    of_each = np.split(rows, ends)
    pairs = zip(texts, of_each, strict=True)
    return np.stack([text.states(own) if rows.ndim == 3 else own[0] for text, own in pairs])  # noqa: PLR2004 - rows, tokens, width
