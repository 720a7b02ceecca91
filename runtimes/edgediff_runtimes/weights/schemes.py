"""How a parameter is stored in a graph, and the way there and back.

Every scheme reads the parameter in float32 and in the layout of the model's own module (output channels first), and
rounds other values for it anew in the same way: whole numbers get fresh scales, so that nothing is clipped. The
rounding is that of the exporter's ``passes/rounding.py``; how many levels a graph uses is seen in its numbers, because
ONNX Runtime's and NNCF's quantisers leave one bit of eight unused in graphs with rounded activations. x86 processors
without VNNI are why: they add the products of two neighbours along the summed axis in 16 bits. What is rounded a second
time takes the whole range for OpenVINO, as far as no two neighbours need more than these 16 bits (``Scaled.paired``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import DTypeLike

from edgediff_runtimes.errors import AdapterError
from edgediff_runtimes.tensors import Array, Floats

Tensors: TypeAlias = Callable[[str], Array]
_STEPS = 15  # of numbers of 4 bits
_WIDEST = {"int8": 127, "uint8": 255}
_SEVEN_BITS = 64
_MATRIX = 2  # axes


class StoredWeight(ABC):
    """One parameter in a graph.

    Attributes:
        shape: As its module has it.
        tensors: The graph's, by name.
    """

    shape: tuple[int, ...]
    tensors: Tensors

    @abstractmethod
    def read(self) -> Floats:
        """Its values, shaped as ``shape``."""

    @abstractmethod
    def write(self, values: Floats) -> dict[str, Array]:
        """Other values, rounded: the tensors that hold them, by name.

        Raises:
            AdapterError: They are beyond what it is stored in.
        """

    def write_changed(self, values: Floats) -> dict[str, Array]:
        """Values that were reckoned from the stored ones, which a second rounding would cost as much as the first.

        Args:
            values: Shaped as ``shape``.

        Returns:
            As of ``write``; or, where numbers of 8 bits are only stored and become floats before anything is computed,
            float16 by the numbers' name: the parameter itself, laid out as the numbers are, without scale and zero.

        Raises:
            AdapterError: As of ``write``.
        """
        return self.write(values)


StoredWeights: TypeAlias = Mapping[str, StoredWeight]


@final
@dataclass(frozen=True)
class Plain(StoredWeight):
    """Floats. ``turned``: a matrix that is stored with its input channels first."""

    tensors: Tensors
    name: str
    shape: tuple[int, ...]
    turned: bool = False

    def read(self) -> Floats:
        """See ``StoredWeight.read``."""
        return turn(self.tensors(self.name), self.turned).astype(np.float32).reshape(self.shape)

    def write(self, values: Floats) -> dict[str, Array]:
        """See ``StoredWeight.write``."""
        stored = self.tensors(self.name)
        return {self.name: _floats(turn(values, self.turned), stored, stored.dtype, name=self.name)}


@final
@dataclass(frozen=True)
class Scaled(StoredWeight):
    """Whole numbers of 8 bits with a scale per channel: parameter = (number - zero) * scale.

    Attributes:
        tensors: The graph's.
        name: The numbers.
        scale: Their scales.
        axis: The channels' axis of the numbers.
        shape: Of the parameter.
        turned: As of ``Plain``.
        zero: The numbers that stand for zero, of the scales' shape; None: all are 0.
        bias: A bias in whole numbers and its scales, which are the weights' times the activation's; None: none.
        computed: What they multiply is rounded too: the product is of whole numbers. Else they are only stored so.
        paired: Where they were of 7 bits they may be of 8, unless two neighbours of one sign exceed 128 together: times
            255 it is the largest number of 16 bits. Which are neighbours, OpenVINO's kernels decide: inputs 0 and 1, 2
            and 3, and so on.
    """

    tensors: Tensors
    name: str
    scale: str
    axis: int
    shape: tuple[int, ...]
    turned: bool = False
    zero: str | None = None
    bias: tuple[str, str] | None = None
    computed: bool = False
    paired: bool = False

    def read(self) -> Floats:
        """See ``StoredWeight.read``."""
        numbers = self.tensors(self.name)
        values = numbers.astype(np.float32)
        if self.zero is not None and (zeros := self.tensors(self.zero)).any():
            values -= self._along(zeros.astype(np.float32), values.ndim)
        values *= self._along(self.tensors(self.scale).astype(np.float32), values.ndim)
        return np.ascontiguousarray(turn(values, self.turned)).reshape(self.shape)

    def write(self, values: Floats) -> dict[str, Array]:
        """See ``StoredWeight.write``."""
        stored, old = self.tensors(self.name), self.tensors(self.scale)
        values = turn(values, self.turned).reshape(-1, *stored.shape[1:])
        others = tuple(axis for axis in range(values.ndim) if axis != self.axis)
        whole = old.size == 1
        if self.zero is not None and self.tensors(self.zero).any():
            low = np.minimum(values.min(None if whole else others), 0)
            high = np.maximum(values.max(None if whole else others), 0)
            least, most = np.iinfo(stored.dtype).min, np.iinfo(stored.dtype).max
            scales = _scales((high - low) / (most - least), old)
            zeros = np.clip(np.round(least - low / scales), least, most)
        else:
            most = self._levels(stored)
            magnitude = np.maximum(values.max(None if whole else others), -values.min(None if whole else others))
            if self.paired and most <= _SEVEN_BITS:
                most, magnitude = _WIDEST["int8"], _neighbours(values, self.axis)
                magnitude = magnitude.max() if whole else magnitude
            least = -most if stored.dtype == np.int8 else 0
            scales, zeros = _scales(magnitude / most, old), None
        numbers = values / self._along(scales, values.ndim)
        np.round(numbers, out=numbers)
        if zeros is not None:
            numbers += self._along(zeros, values.ndim)
        np.clip(numbers, least, most, out=numbers)
        rows = self._rows(old, scales)
        made = {self.name: np.ascontiguousarray(numbers.astype(stored.dtype)), self.scale: rows.astype(old.dtype)}
        if self.zero is not None and zeros is not None:
            made[self.zero] = self._rows(old, zeros).astype(self.tensors(self.zero).dtype)
        return made | self._bias(old, made[self.scale])

    def write_changed(self, values: Floats) -> dict[str, Array]:
        """See ``StoredWeight.write_changed``."""
        if self.computed:
            return self.write(values)
        return {self.name: _floats(turn(values, self.turned), self.tensors(self.name), np.float16, name=self.name)}

    def _along(self, channels: Array, axes: int) -> Array:
        """One number per channel, shaped to be multiplied with the numbers."""
        if channels.size == 1:
            return channels.reshape([1] * axes)
        return channels.reshape([-1 if axis == self.axis else 1 for axis in range(axes)])

    def _rows(self, old: Array, values: Array) -> Array:
        """In the shape that is stored; there may be more channels than there were."""
        return values.reshape(old.shape) if values.size == old.size else values.reshape(-1, *old.shape[1:])

    def _levels(self, stored: Array) -> int:
        largest = int(np.abs(stored.astype(np.int16)).max(initial=0))
        return min(largest, _WIDEST[stored.dtype.name]) or _WIDEST[stored.dtype.name]

    def _bias(self, old: Array, new: Array) -> dict[str, Array]:
        """The bias, rounded again: engines take its scales to be the weights' times the activation's."""
        if self.bias is None:
            return {}
        numbers, scale = (self.tensors(name) for name in self.bias)
        ratio = new.astype(np.float64).reshape(-1) / old.astype(np.float64).reshape(-1)
        scales = (scale.astype(np.float64).reshape(-1) * ratio).reshape(scale.shape)
        bound = np.iinfo(numbers.dtype)
        again = np.clip(np.round(numbers / ratio), bound.min, bound.max)
        return {self.bias[0]: again.astype(numbers.dtype), self.bias[1]: scales.astype(scale.dtype)}


@final
@dataclass(frozen=True)
class Divided(StoredWeight):
    """A convolution's kernel that is divided by what its activations are multiplied by in front of it.

    Attributes:
        stored: How the quotient is stored.
        factor: Of each input channel.
    """

    stored: StoredWeight
    factor: Floats

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override] # a field of the others
        """See ``StoredWeight``."""
        return self.stored.shape

    @property
    def tensors(self) -> Tensors:  # type: ignore[override] # likewise
        """See ``StoredWeight``."""
        return self.stored.tensors

    def read(self) -> Floats:
        """See ``StoredWeight.read``."""
        return self.stored.read() * self._factors()

    def write(self, values: Floats) -> dict[str, Array]:
        """See ``StoredWeight.write``."""
        return self.stored.write((values / self._factors()).astype(np.float32, copy=False))

    def _factors(self) -> Floats:
        return self.factor.reshape([1, -1, *[1] * (len(self.shape) - 2)])


@final
@dataclass(frozen=True)
class Blocks(StoredWeight):
    """A matrix in blocks of 4 bits along its summed axis: parameter = (number - zero) * scale.

    Attributes:
        tensors: The graph's.
        name: The numbers, two in a byte, the lower half first: (outputs, blocks, block / 2).
        scale: (outputs, blocks), or with a last axis of 1.
        zero: Packed as the numbers, rows filled up to whole bytes; with ``filled`` false all rows in one run.
        summed: Length of the summed axis.
        shape: Of the parameter.
        turned: The parameter has its input channels first; blocks never do.
        filled: See ``zero``.
    """

    tensors: Tensors
    name: str
    scale: str
    zero: str
    summed: int
    shape: tuple[int, ...]
    turned: bool = False
    filled: bool = True

    def read(self) -> Floats:
        """See ``StoredWeight.read``."""
        scales = self.tensors(self.scale)
        outputs, blocks = scales.shape[:2]
        numbers = _unpacked(self.tensors(self.name)).reshape(outputs, blocks, -1).astype(np.float32)
        zeros = _unpacked(self.tensors(self.zero))
        zeros = zeros.reshape(outputs, -1)[:, :blocks] if self.filled else zeros.reshape(-1)[: outputs * blocks]
        numbers -= zeros.reshape(outputs, blocks, 1).astype(np.float32)
        numbers *= scales.reshape(outputs, blocks, 1).astype(np.float32)
        return turn(numbers.reshape(outputs, -1)[:, : self.summed], self.turned).reshape(self.shape)

    def write(self, values: Floats) -> dict[str, Array]:
        """See ``StoredWeight.write``."""
        stored, old = self.tensors(self.name), self.tensors(self.scale)
        outputs, blocks = old.shape[:2]
        rows = turn(values.reshape(self.shape), self.turned)
        size = 2 * stored.size // (outputs * blocks)
        rows = np.pad(rows, ((0, 0), (0, blocks * size - self.summed))).reshape(outputs, blocks, size)
        low, high = np.minimum(rows.min(-1), 0), np.maximum(rows.max(-1), 0)
        scales = _scales((high - low) / _STEPS, old)
        zeros = np.clip(np.round(-low / scales), 0, _STEPS)
        numbers = np.clip(np.round(rows / scales[..., None]) + zeros[..., None], 0, _STEPS).astype(np.uint8)
        packed = zeros.astype(np.uint8)
        packed = np.pad(packed, ((0, 0), (0, blocks % 2))) if self.filled else packed.reshape(1, -1)
        return {
            self.name: _packed(numbers).reshape(stored.shape),
            self.scale: scales.astype(old.dtype).reshape(old.shape),
            self.zero: _packed(packed).reshape(self.tensors(self.zero).shape),
        }


def _neighbours(values: Floats, axis: int) -> Floats:
    """The largest sum of two neighbours of one sign along the summed axis, or of one alone, per channel."""
    rows: Floats = np.moveaxis(values, axis, 0)
    first, second = rows[:, :-1:2], rows[:, 1::2]
    sums = (
        np.maximum(first, 0) + np.maximum(second, 0),
        -np.minimum(first, 0) - np.minimum(second, 0),
        np.abs(rows[:, -1:]),  # of an odd number
    )
    largest: Floats = np.max([one.reshape(len(rows), -1).max(1, initial=0) for one in sums], axis=0)
    return largest


def turn(values: Array, turned: bool) -> Array:  # noqa: FBT001 - a field, passed on
    """A matrix with its axes exchanged, where it is stored so."""
    return values.T if turned and values.ndim == _MATRIX else values


def _floats(values: Floats, stored: Array, dtype: DTypeLike, *, name: str) -> Array:
    """Values as floats of a dtype, in the layout of what is stored; there may be more rows."""
    with np.errstate(over="ignore"):
        rounded = values.astype(dtype)
    if rounded.dtype != np.float32 and not np.isfinite(rounded).all():
        raise AdapterError(f"the adapted weights of `{name}` are beyond the range of {rounded.dtype}")
    return np.ascontiguousarray(rounded).reshape(-1, *stored.shape[1:])


def _scales(wanted: Array, old: Array) -> Floats:
    """Scales as they will be stored, in float32; 1 where there is nothing to scale."""
    scales = np.where(wanted > 0, wanted, 1).astype(old.dtype).astype(np.float32)
    return np.where(scales > 0, scales, np.float32(np.finfo(old.dtype).smallest_subnormal)).astype(np.float32)


def _unpacked(packed: Array) -> Array:
    flat = packed.reshape(*packed.shape[:-1], -1)
    return np.stack([flat & 15, flat >> 4], axis=-1).reshape(*flat.shape[:-1], -1)


def _packed(numbers: Array) -> Array:
    if numbers.shape[-1] % 2:
        numbers = np.pad(numbers, [*[(0, 0)] * (numbers.ndim - 1), (0, 1)])
    packed: Array = numbers[..., 0::2] | (numbers[..., 1::2] << 4)
    return packed
