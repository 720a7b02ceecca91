"""Graphs that a provider compiled for its device, kept in ``CompiledCache``: "contexts" in ONNX Runtime's words.

A context is a graph of one node for all that the provider computes, and a file of the device's own code and weights
beside it. What the processor computes stays in the graph as it is. To load one takes a few hundredths of the time
that its compiler takes (``benchmarks/nightly_qnn.sh``).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgediff_runtimes.compiled_cache import CompiledCache, files_beside
from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.engines.onnxruntime_providers import Reached

CONTEXT = "context.onnx"
MAKE = {"ep.context_enable": "1", "ep.context_embed_mode": "0"}  # not embedded: a file of its own is mapped, not copied


def kept_context(
    graph: Graph,
    reached: Reached,
    lengths: Mapping[str, int],
    build: Callable[[Path | None], ort.InferenceSession],
    *,
    keep: bool,
) -> ort.InferenceSession:
    """A graph compiled for a device, by way of the cache.

    Args:
        graph: The graph.
        reached: The provider, and which of its devices.
        lengths: Axes that get a fixed length, by name.
        build: See ``CompiledCache.compiled``.
        keep: Whether anything is kept.

    Raises:
        EngineError: It cannot be loaded.
    """
    row = reached.provider
    about: dict[str, Any] = {
        "role": graph.role,
        "graph": str(graph.path),
        "engine": "onnxruntime",
        "device": row.device if reached.index is None else f"{row.device}.{reached.index}",
        "execution": row.execution,
        "shapes": dict(lengths) or None,
    }
    depends_on = [about, ort.__version__, _version(row.package), reached.settings, files_beside(graph.path)]
    name = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:32]
    cache = CompiledCache.of_user() if keep else CompiledCache(None)
    # Of any size: its compiler takes minutes where that of a processor takes seconds.
    return cache.compiled(name, about, build, expected_bytes=0)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # it came otherwise
        return None
