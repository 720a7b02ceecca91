"""Texts that are sums of several, weighted as compel does it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from edgediff_runtimes.tensors import Floats
from edgediff_runtimes.text.syntax.weighted import Weighted


@final
@dataclass(frozen=True, slots=True)
class Term:
    """A text in a sum.

    Attributes:
        share: What its states are multiplied by in the sum.
        ids: Of its chunks, ``(chunks, length)``.
        weights: Of its tokens; of the same shape, float32.
    """

    share: float
    ids: NDArray[np.int64]
    weights: NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True)
class Clause:
    """A sum of texts, and its weight beside other clauses."""

    terms: tuple[Term, ...]
    weight: float = 1.0

    @property
    def chunks(self) -> int:
        """Those of its longest text."""
        return max(len(term.ids) for term in self.terms)


@final
@dataclass(frozen=True, slots=True)
class Mixed(Weighted):
    """Clauses one behind the other; ``e`` being the states of no text, a token of weight w becomes ``e + w (z - e)``.

    Attributes:
        clauses: One behind the other.
        empty: The ids of a chunk without text.
        more: Empty chunks behind them.
    """

    clauses: tuple[Clause, ...]
    empty: NDArray[np.int64]
    more: int = 0

    @property
    def ids(self) -> NDArray[np.int64]:
        """See ``Weighted``: the rows of all terms, and that of no text."""
        return np.concatenate([*(term.ids for clause in self.clauses for term in clause.terms), self.empty[None]])

    @property
    def chunks(self) -> int:
        """See ``Weighted``."""
        return sum(clause.chunks for clause in self.clauses) + self.more

    def padded(self, chunks: int) -> Mixed:
        """See ``Weighted``."""
        return replace(self, more=self.more + chunks - self.chunks)

    def states(self, states: Floats) -> Floats:
        """See ``Weighted``."""
        empty, first, found = states[-1], 0, []
        for clause in self.clauses:
            total = np.zeros((clause.chunks, *empty.shape), np.float32)
            for term in clause.terms:
                own, weights = states[first : first + len(term.ids)], term.weights[..., None]
                first += len(own)
                # Not where the weight is 1, so that nothing is rounded there.
                weighed = np.where(weights == 1, own, empty + (own - empty) * weights)
                behind = np.tile(empty, (clause.chunks - len(own), 1, 1))
                total += np.float32(term.share) * np.concatenate([weighed, behind])
            found.append(total if clause.weight == 1 else empty + (total - empty) * np.float32(clause.weight))
        whole = np.concatenate([*found, np.tile(empty, (self.more, 1, 1))])
        return whole.reshape(-1, states.shape[-1])
