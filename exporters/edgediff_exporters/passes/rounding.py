"""Matrices as whole numbers with scales: a few rows at a time, because a matrix may be as large as memory is.

1. ``ChannelRounding``: numbers from -127 to 127 with one scale per output channel. Symmetric: zero stays zero, and
   there is no zero point. A channel's scale is its largest magnitude / 127, so nothing is clipped and no weight moves
   by more than half a step (Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference: A
   whitepaper", section 2.2).
2. ``BlockRounding``: numbers from 0 to 15; 32 weights along the summed axis share a scale and a zero point. Blocks of
   64 lose another 0.5 and 1.0 dB (two U-Nets).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch

BLOCK = 32
_LARGEST = 127  # not -128: a symmetric range needs no zero point
_STEPS = 15
_CHUNK_BYTES = 16 << 20  # of float32: rounding a table of embeddings at once would take three more copies of it


@final
@dataclass(frozen=True)
class ChannelRounding:
    """A matrix as int8 with a scale per channel. Scales are found once; the numbers whenever they are asked for.

    Attributes:
        matrix: The values, of any float dtype.
        axis: The channels' axis.
    """

    matrix: torch.Tensor
    axis: int

    @cached_property
    def scales(self) -> torch.Tensor:
        """float32, (channels,). A channel of zeros has the scale 1."""
        largest = torch.cat([part.abs().flatten(1).amax(1) for part in self._parts()])
        return torch.where(largest > 0, largest / _LARGEST, torch.ones(()))

    def values(self) -> torch.Tensor:
        """int8, shaped as the matrix: matrix ≈ values · scales along the axis."""
        rounded = torch.empty(self.matrix.movedim(self.axis, 0).shape, dtype=torch.int8)
        start = 0
        for part in self._parts():
            scales = self.scales[start : start + len(part)].reshape(-1, *[1] * (part.ndim - 1))
            rounded[start : start + len(part)] = (part / scales).round_().clamp_(-_LARGEST, _LARGEST)
            start += len(part)
        return rounded.movedim(0, self.axis)

    def _parts(self) -> Iterator[torch.Tensor]:
        return _parts(self.matrix.movedim(self.axis, 0))


@final
@dataclass(frozen=True)
class BlockRounding:
    """A matrix in blocks of 4 bits, laid out as ``MatMulNBits`` of ONNX Runtime takes it.

    Nothing is kept: the scales of all matrices of a large model would be more than its largest matrix.

    Attributes:
        matrix: (outputs, summed), of any float dtype.
    """

    matrix: torch.Tensor

    def values(self) -> torch.Tensor:
        """uint8, (outputs, blocks, 16), two numbers in a byte, the lower half first."""
        return _packed((blocks / scales + zeros).round_().clamp_(0, _STEPS) for blocks, scales, zeros in self._parts())

    def scales(self) -> torch.Tensor:
        """float32, (outputs, blocks). weight = (number - zero) * scale; a block of zeros has the scale 1."""
        return torch.cat([scales.squeeze(-1) for _, scales, _ in self._parts()])

    def zeros(self) -> torch.Tensor:
        """uint8, (outputs, blocks / 2 rounded up), two numbers in a byte as in ``values``: those of weights of zero."""
        return _packed(zeros.squeeze(-1) for _, _, zeros in self._parts())

    def _parts(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Blocks, (some rows, blocks, 32); their scales and zero points, (some rows, blocks, 1)."""
        missing = -self.matrix.shape[1] % BLOCK
        for part in _parts(self.matrix):
            blocks = torch.nn.functional.pad(part, (0, missing)).reshape(len(part), -1, BLOCK)
            low = blocks.amin(-1, keepdim=True).clamp_(max=0)  # zero is among the numbers, so that it stays zero
            high = blocks.amax(-1, keepdim=True).clamp_(min=0)
            scales = (high - low) / _STEPS
            scales = torch.where(scales > 0, scales, torch.ones(()))
            yield blocks, scales, (-low / scales).round_().clamp_(0, _STEPS)


def _parts(rows: torch.Tensor) -> Iterator[torch.Tensor]:
    """The rows in float32, some at a time."""
    count = max(1, _CHUNK_BYTES // (4 * rows[0].numel()))
    for start in range(0, len(rows), count):
        yield rows[start : start + count].float()


def _packed(parts: Iterator[torch.Tensor]) -> torch.Tensor:
    """Whole numbers below 16 in half as many bytes along the last axis."""
    packed = []
    for part in parts:
        numbers = torch.nn.functional.pad(part, (0, part.shape[-1] % 2)).to(torch.uint8)
        packed.append(numbers[..., 0::2] | (numbers[..., 1::2] << 4))
    return torch.cat(packed)
