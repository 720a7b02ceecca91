"""The seam between engines and what is done to weights: an engine asks for new tensors when it loads a graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edgediff_runtimes.tensors import Array
from edgediff_runtimes.weights.schemes import StoredWeights


class WeightChange(Protocol):
    """What becomes of the weights of one component. The file of its graph stays as it is."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digits that differ where the change does."""

    def tensors(self, stored: StoredWeights) -> Iterator[tuple[str, Array]]:
        """The stored tensors that change, by the names in the graph, one after the other.

        Args:
            stored: The graph's weights, as they are stored.

        Returns:
            Names and new values, of the old ones' dtype, and of their shape but where rows are added. In float16 where
            the old ones are whole numbers: then they are the parameter itself, see ``StoredWeight.write_changed``.

        Raises:
            AdapterError: The change does not fit the weights.
        """
