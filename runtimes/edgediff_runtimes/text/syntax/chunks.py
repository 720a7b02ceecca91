"""Chunks of a text that is longer than a row, weighted as AUTOMATIC1111's web UI does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.tensors import Floats
from edgediff_runtimes.text.encoding import Encoder
from edgediff_runtimes.text.syntax.weighted import Weighted


class Token(NamedTuple):
    """A token of a text: its id, what stands for it in the vocabulary, and its weight."""

    id: int
    piece: str
    weight: float


def room_of(encoder: Encoder, length: int) -> int:
    """Tokens of a text that a row of ``length`` tokens holds.

    Raises:
        ValueError: It holds none.
    """
    room = length - sum(encoder.marks)
    if room < 1:
        raise ValueError(f"a row of {length} tokens has no room beside its marks")
    return room


def rows_of(
    chunks: Sequence[Sequence[Token]], encoder: Encoder, *, length: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids with marks and padding, and their weights, 1 for these: both ``(chunks, length)``."""
    ids = encoder.rows([[token.id for token in chunk] for chunk in chunks], length=length)
    weights = np.ones(ids.shape, np.float32)
    first = encoder.marks[0]
    for row, chunk in zip(weights, chunks, strict=True):
        row[first : first + len(chunk)] = [token.weight for token in chunk]
    return ids, weights


@final
@dataclass(frozen=True, slots=True)
class Chunks(Weighted):
    """A text whose states are multiplied by its weights, chunk by chunk; the mean of a chunk is restored.

    ``z' = w z · mean(z) / mean(w z)``, over all tokens and the width of a chunk: the web UI's emphasis "Original"
    (``modules/sd_emphasis.py``). It takes the mean over all texts that are encoded in one call; here it is that of the
    text alone, so that a picture does not depend on its neighbours.

    Attributes:
        rows: Ids of the chunks, ``(chunks, length)``.
        weights: Of the tokens; of the same shape, float32.
        empty: The ids of a chunk without text.
    """

    rows: NDArray[np.int64]
    weights: NDArray[np.float32]
    empty: NDArray[np.int64]

    @classmethod
    def of(cls, chunks: Sequence[Sequence[Token]], encoder: Encoder, *, length: int) -> Chunks:
        """From the tokens of each chunk."""
        rows, weights = rows_of([*chunks, ()], encoder, length=length)
        return cls(rows[:-1], weights[:-1], rows[-1])

    @property
    def ids(self) -> NDArray[np.int64]:
        """See ``Weighted``."""
        return self.rows

    @property
    def chunks(self) -> int:
        """See ``Weighted``."""
        return len(self.rows)

    def padded(self, chunks: int) -> Chunks:
        """See ``Weighted``."""
        more = chunks - len(self.rows)
        rows = np.concatenate([self.rows, np.tile(self.empty, (more, 1))])
        return Chunks(rows, np.concatenate([self.weights, np.ones((more, len(self.empty)), np.float32)]), self.empty)

    def states(self, states: Floats) -> Floats:
        """See the class."""
        scaled = states * self.weights[..., None]
        means = [array.mean(axis=(1, 2), keepdims=True, dtype=np.float64) for array in (states, scaled)]
        # A mean of zero cannot be restored.
        restored = np.divide(means[0], means[1], out=np.ones_like(means[0]), where=means[1] != 0)
        whole: Floats = scaled * restored.astype(np.float32)
        return whole.reshape(-1, states.shape[-1])
