"""The normals of ``torch.randn`` on a CPU generator, in NumPy.

Sources: M. Matsumoto and T. Nishimura, "Mersenne Twister" (1998), with its 32-bit ``init_genrand`` seeding; G. E. P.
Box and M. E. Muller, "A note on the generation of random normal deviates" (1958). How PyTorch combines them is known
from its ``normal_fill`` and ``normal_distribution`` kernels; this is written from those facts and checked against them.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.tensors import Floats

# PyTorch fills blocks of 16: eight radii from the first half, eight angles from the second.
_BLOCK = 16
_HALF = 8
_TWO_PI = np.float32(2 * math.pi)


@final
class TorchCpuNoise:
    """The stream of ``torch.Generator("cpu").manual_seed(seed)``, for float32 draws of any shape in any order.

    Equal to PyTorch within 1e-6 (the last bits of ``log``, ``sin`` and ``cos`` differ between libraries); uniforms are
    equal bit for bit. PyTorch seeds its CPU generator with the lower 32 bits only, and so does this.
    """

    __slots__ = ("_bits", "_generator", "_kept", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bits = np.random.MT19937()
        # NumPy's legacy seeding of an integer is the same init_genrand that PyTorch uses.
        self._bits._legacy_seeding(seed & 0xFFFFFFFF)  # noqa: SLF001 - the only door to init_genrand without a state copy
        self._generator = np.random.Generator(self._bits)
        self._kept: float | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed, as given."""
        return (self._seed,)

    def copy(self) -> TorchCpuNoise:
        """A source at the same place of the same stream."""
        other = TorchCpuNoise(self._seed)
        other._bits.state = copy.deepcopy(self._bits.state)
        other._kept = self._kept
        return other

    def uniform(self, shape: Sequence[int]) -> Floats:
        """``torch.rand(shape)``: 24 bits of one 32-bit word each, in [0, 1)."""
        words = self._words(math.prod(shape))
        return ((words & np.uint32(0xFFFFFF)).astype(np.float32) * np.float32(2.0**-24)).reshape(tuple(shape))

    def standard_normal(self, shape: Sequence[int]) -> Floats:
        """``torch.randn(shape)``: normals of mean 0 and variance 1, float32."""
        count = math.prod(shape)
        flat = self._blocks(count) if count >= _BLOCK else self._one_by_one(count)
        return flat.reshape(tuple(shape))

    def exponential(self, shape: Sequence[int]) -> Floats:
        """``torch.empty(shape).exponential_()``: ``-log(1 - u)`` of a double precision ``u``."""
        words = self._words(2 * math.prod(shape)).astype(np.uint64).reshape(-1, 2)
        unit = ((words[:, 0] << np.uint64(32) | words[:, 1]) & np.uint64(2**53 - 1)) * 2.0**-53
        return np.asarray(-np.log1p(-unit), dtype=np.float32).reshape(tuple(shape))

    def _words(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        return self._generator.integers(0, 2**32, size=count, dtype=np.uint32)

    def _blocks(self, count: int) -> Floats:
        """The vectorised path: whole blocks, and the last 16 values drawn afresh when the blocks do not fit."""
        whole = count - count % _BLOCK
        uniforms = self.uniform((count,))
        normals = np.empty(count, np.float32)
        normals[:whole] = _box_muller(uniforms[:whole])
        if whole != count:
            normals[-_BLOCK:] = _box_muller(self.uniform((_BLOCK,)))
        return normals

    def _one_by_one(self, count: int) -> Floats:
        """The scalar path: pairs in double precision, of which the second waits for the next draw."""
        normals = np.empty(count, np.float32)
        for i in range(count):
            if self._kept is not None:
                normals[i], self._kept = self._kept, None
                continue
            angle, radius = (2 * math.pi * self._double(), math.sqrt(-2 * math.log1p(-self._double())))
            normals[i], self._kept = radius * math.cos(angle), radius * math.sin(angle)
        return normals

    def _double(self) -> float:
        high, low = self._words(2).tolist()
        return float(((high << 32 | low) & (2**53 - 1)) * 2.0**-53)


def _box_muller(uniforms: Floats) -> Floats:
    blocks = uniforms.reshape(-1, 2, _HALF)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - blocks[:, 0]))
    angle = _TWO_PI * blocks[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
