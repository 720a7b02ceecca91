"""The parameters of a model in its graphs: where each lies, in which layout, and in which scheme it is stored."""

from __future__ import annotations

from edgediff_runtimes.weights.change import WeightChange
from edgediff_runtimes.weights.schemes import StoredWeight, StoredWeights

__all__ = ["StoredWeight", "StoredWeights", "WeightChange"]
