"""The normals of ``torch.randn`` on a CUDA generator, in NumPy: Philox 4x32-10 and Box-Muller.

Sources: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), for Philox; cuRAND's
documentation for ``curand_normal4``; the launch grid is the one that the public re-implementations of GPU seeds use.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgediff_runtimes.tensors import Floats

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
_WORD = np.uint64(0xFFFFFFFF)
_TO_UNIT = np.float32(2.0**-32)
_BLOCK = 256
# 132 multiprocessors with 8 blocks each (an H100). Draws up to this many blocks of 256 do not depend on the card.
_GRID_LIMIT = 132 * 8


@final
class TorchCudaNoise:
    """The stream of ``torch.Generator("cuda").manual_seed(seed)``, for float32 draws.

    CUDA's threads each own a Philox stream and fill every ``threads``-th element; how many threads are started depends
    on the card once a draw is larger than the card holds (270 336 elements here, more than most pictures' latents).
    """

    __slots__ = ("_offset", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._offset = 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed, as given."""
        return (self._seed,)

    def copy(self) -> TorchCudaNoise:
        """A source at the same place of the same stream."""
        other = TorchCudaNoise(self._seed)
        other._offset = self._offset
        return other

    def standard_normal(self, shape: Sequence[int]) -> Floats:
        """``torch.randn(shape, device="cuda")``: normals of mean 0 and variance 1, float32."""
        words = self._draw(math.prod(shape))
        first = _box_muller(words[0], words[1])
        second = _box_muller(words[2], words[3])
        return self._lay_out(np.stack([*first, *second]), shape)

    def uniform(self, shape: Sequence[int]) -> Floats:
        """``torch.rand(shape, device="cuda")``: cuRAND's (0, 1], with 1 turned over to 0."""
        unit = self._draw(math.prod(shape)).astype(np.float32) * _TO_UNIT + _TO_UNIT / 2
        return self._lay_out(np.where(unit == 1, np.float32(0), unit), shape)

    def exponential(self, shape: Sequence[int]) -> Floats:
        """Exponentials of mean 1, from the generator's uniforms; PyTorch's own kernel may round them otherwise."""
        return np.asarray(-np.log(np.float32(1) - self.uniform(shape)), np.float32)

    def _draw(self, count: int) -> NDArray[np.uint32]:
        """Four words for each thread and each turn, of shape (4, turns, threads)."""
        threads = _BLOCK * min(_GRID_LIMIT, max(1, -(-count // _BLOCK)))
        turns = max(1, -(-count // (threads * 4)))
        counters = np.zeros((4, turns, threads), np.uint64)
        counters[0] = (np.arange(turns, dtype=np.uint64) + np.uint64(self._offset))[:, None]
        counters[2] = np.arange(threads, dtype=np.uint64)[None, :]
        self._offset += turns
        key = self._seed & 0xFFFFFFFFFFFFFFFF
        return _philox(counters, key & 0xFFFFFFFF, key >> 32)

    @staticmethod
    def _lay_out(values: Floats, shape: Sequence[int]) -> Floats:
        """Put (4, turns, threads) where the threads write: turn by turn, word by word, thread by thread."""
        return values.transpose(1, 0, 2).reshape(-1)[: math.prod(shape)].reshape(tuple(shape)).astype(np.float32)


def _philox(counters: NDArray[np.uint64], key_low: int, key_high: int) -> NDArray[np.uint32]:
    c0, c1, c2, c3 = counters
    for _ in range(_ROUNDS):
        first, second = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (second >> np.uint64(32)) ^ c1 ^ np.uint64(key_low),
            second & _WORD,
            (first >> np.uint64(32)) ^ c3 ^ np.uint64(key_high),
            first & _WORD,
        )
        key_low, key_high = (key_low + _KEY_STEPS[0]) & 0xFFFFFFFF, (key_high + _KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def _box_muller(first: NDArray[np.uint32], second: NDArray[np.uint32]) -> tuple[Floats, Floats]:
    u = first.astype(np.float32) * _TO_UNIT + _TO_UNIT / 2
    v = second.astype(np.float32) * (_TO_UNIT * np.float32(2 * math.pi)) + _TO_UNIT * np.float32(math.pi)
    radius = np.sqrt(np.float32(-2) * np.log(u))
    return radius * np.sin(v), radius * np.cos(v)
