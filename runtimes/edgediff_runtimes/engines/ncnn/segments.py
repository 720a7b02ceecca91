"""A graph in stretches of layers that one device computes: between them a run can be cancelled, and time is measured.

ncnn computes what a blob needs when the blob is asked for, and keeps blobs that have readers left. So to ask, stretch
by stretch, for what later ones read computes the same layers in the same order as to ask for the last one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

# Layers of a stretch: what is asked for comes back from the GPU, so there are not too many stretches.
_LONGEST = 32
# They hand on what they are given, on whichever device.
_NEUTRAL = ("Input", "MemoryData", "Noop", "Split")


@final
@dataclass(frozen=True, slots=True)
class Segment:
    """Layers that one device computes one after the other.

    Attributes:
        on_gpu: Whether the GPU does.
        layers: Their types.
        blobs: Numbers of the blobs that others read, and of the graph's outputs.
    """

    on_gpu: bool
    layers: tuple[str, ...]
    blobs: tuple[int, ...]

    @property
    def operators(self) -> frozenset[str]:
        """Types of its layers that compute."""
        return frozenset(self.layers) - frozenset(_NEUTRAL)


def segments_of(layers: Sequence[Any], blobs: Sequence[Any], outputs: Collection[int]) -> tuple[Segment, ...]:
    """The stretches of a graph that was loaded.

    Args:
        layers: ncnn's, in the order of the file, in which each comes behind what it reads.
        blobs: ncnn's.
        outputs: Numbers of the blobs that are the graph's outputs.
    """
    found = []
    for start, end in _stretches(layers):
        part = layers[start:end]
        # What reads a blob is one layer: `Split` makes as many as there are readers.
        leaving = [
            top
            for layer in part
            if layer.type not in ("Input", "MemoryData")
            for top in layer.tops
            if top in outputs or blobs[top].consumer >= end
        ]
        on_gpu = any(layer.support_vulkan for layer in part if layer.type not in _NEUTRAL)
        types = tuple(layer.type for layer in part if layer.type != "Input")
        found.append(Segment(on_gpu, types, tuple(leaving)))
    return tuple(found)


def _stretches(layers: Sequence[Any]) -> Iterator[tuple[int, int]]:
    start, device = 0, None
    for index, layer in enumerate(layers):
        own = device if layer.type in _NEUTRAL or device is None else layer.support_vulkan
        if own != device or index - start >= _LONGEST:
            yield start, index
            start = index
        if layer.type not in _NEUTRAL:
            device = layer.support_vulkan
    yield start, len(layers)
