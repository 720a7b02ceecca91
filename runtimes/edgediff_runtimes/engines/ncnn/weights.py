"""The parameters of an ncnn graph: its file has no names for them, so nothing can be added to them."""

from __future__ import annotations

from typing import NoReturn

from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.errors import AdapterError


def read(graph: Graph) -> NoReturn:
    """The parameters of a graph, by their names in the module.

    Raises:
        AdapterError: Always.
    """
    raise unchanging(graph)


def unchanging(graph: Graph) -> AdapterError:
    """The error for a change of weights."""
    return AdapterError(
        f"the weights of `{graph.role}` are in ncnn's format, in which they have no names: got a change of weights, "
        "expected none",
        hint="fuse a LoRA into them at export, or draw with it from an ONNX or OpenVINO bundle",
    )
