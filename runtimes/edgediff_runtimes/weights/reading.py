"""The weights of a graph of any format."""

from __future__ import annotations

import importlib

from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.weights.onnx_weights import onnx_weights
from edgediff_runtimes.weights.schemes import StoredWeights


def stored_weights(graph: Graph) -> StoredWeights:
    """The parameters of a graph by their names in the model's module.

    Raises:
        BundleError: The graph cannot be read.
        NotInstalledError: What reads its format is not installed.
    """
    if graph.format == "onnx":
        return onnx_weights(graph.path)[1]
    engine = get_engine(graph.format)  # says how to install it
    package = type(engine).__module__.rpartition(".")[0]
    weights: StoredWeights = importlib.import_module(f"{package}.weights").read(graph)
    return weights
