"""What a sampler asks of randomness: an explicit object, never a global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.tensors import Floats


class NoiseSource(Protocol):
    """A stream of random numbers with a known beginning.

    A source is the one thing in the sampling room that changes: every draw moves it on. ``copy`` keeps the place, so
    that a run can be taken up again where it was left.
    """

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of every stream in the source: one, or one per image."""
        ...

    def standard_normal(self, shape: Sequence[int]) -> Floats:
        """Draw independent normals of mean 0 and variance 1, float32."""
        ...

    def uniform(self, shape: Sequence[int]) -> Floats:
        """Draw independent numbers from [0, 1), float32."""
        ...

    def exponential(self, shape: Sequence[int]) -> Floats:
        """Draw from the exponential distribution of mean 1, float32."""
        ...

    def copy(self) -> NoiseSource:
        """A source that goes on from the same place, independently."""
        ...
