"""A Brownian path that can be asked about any interval, in any order, from one seed.

A dyadic Brownian tree (Li et al. 2020, "Scalable gradients for stochastic differential equations", section 4): every
interval is halved, and a Brownian bridge gives the halves. The seeds of the tree's nodes and the order of its draws are
those of torchsde's ``BrownianInterval`` (Kidger et al. 2021) with ``halfway_tree``, so the paths are the same as there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import numpy as np

from edgediff_runtimes.noise.torch_cpu import TorchCpuNoise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.tensors import Floats

_DIGITS = 6
_POOL = 24
_REMEMBERED = 96


@final
@dataclass(frozen=True, slots=True)
class BrownianPath:
    """Brownian motion on [first, last].

    Attributes:
        shape: Shape of the path's values; with several seeds the first axis is the batch, one path per seed.
        seeds: One for the whole array, or one per row.
    """

    first: float
    last: float
    shape: tuple[int, ...]
    seeds: tuple[int, ...]
    # The latest draws by seed: neighbouring questions go down the same branches. Forgetting changes no number.
    _kept: dict[int, Floats] = field(default_factory=dict, repr=False, compare=False)

    def unit_increment(self, start: float, end: float) -> Floats:
        """``W(end) - W(start)`` over the root of the distance: normals of variance 1; falling times flip the sign."""
        low, high = (min(max(t, self.first), self.last) for t in sorted((start, end)))
        total = self._increment(round(low, _DIGITS), round(high, _DIGITS))
        sign = 1.0 if start <= end else -1.0
        return np.asarray(total * np.float32(sign / math.sqrt(abs(end - start))), np.float32)

    def _increment(self, low: float, high: float) -> Floats:
        single = len(self.seeds) == 1
        shape = self.shape if single else self.shape[1:]
        paths = [_Tree(seed & 0xFFFFFFFFFFFFFFFF, shape, self._kept).increment(self, low, high) for seed in self.seeds]
        return paths[0] if single else np.stack(paths)


@final
@dataclass(frozen=True, slots=True)
class _Tree:
    seed: int
    shape: Sequence[int]
    kept: dict[int, Floats]

    def increment(self, path: BrownianPath, low: float, high: float) -> Floats:
        """The path's change over [low, high], both rounded."""
        words = np.random.SeedSequence(self.seed, pool_size=_POOL).generate_state(3)
        whole = self._normals(int(words[0])) * np.float32(math.sqrt(path.last - path.first))
        start, end = round(path.first, _DIGITS), round(path.last, _DIGITS)
        return self._within(start, end, whole, low, high, key=0, depth=0)

    def _within(
        self, start: float, end: float, change: Floats, low: float, high: float, *, key: int, depth: int
    ) -> Floats:
        """The change over the part of [low, high] that lies in [start, end], whose own change is known."""
        if low <= start and end <= high:
            return change
        middle = round(0.5 * (end + start), _DIGITS)
        if not start < middle < end:
            return change
        left, right, width = middle - start, end - middle, 1 / (end - start)
        sequence = np.random.SeedSequence(self.seed, spawn_key=(key, depth), pool_size=_POOL)
        bridge = np.float32(math.sqrt(left * right * width)) * self._normals(int(sequence.generate_state(4)[0]))
        change_left = np.float32(left * width) * change + bridge
        parts = []
        if low < middle:
            parts.append(self._within(start, middle, change_left, low, high, key=2 * key, depth=depth + 1))
        if high > middle:
            parts.append(self._within(middle, end, change - change_left, low, high, key=2 * key + 1, depth=depth + 1))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def _normals(self, seed: int) -> Floats:
        if seed not in self.kept:
            if len(self.kept) >= _REMEMBERED:
                del self.kept[next(iter(self.kept))]
            self.kept[seed] = TorchCpuNoise(seed).standard_normal(self.shape)
        return self.kept[seed]
