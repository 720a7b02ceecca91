"""Operators of a graph: as it was exported, and as ONNX Runtime computes it after it has fused and rearranged them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgediff_runtimes.engines import EngineOptions, Graph
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.engines.onnxruntime_session import session_options
from edgediff_runtimes.tensors import Array

_ERRORS_ONLY = 3
_RUN = "_kernel_time"  # how the name of the event ends that stands for a node's own work


def profiled_nodes(graph: Path, feeds: Mapping[str, Array], settings: ort.SessionOptions) -> list[dict[str, Any]]:
    """Run a graph once and return what ONNX Runtime reports of every node that it computed.

    Args:
        graph: An ``.onnx`` file.
        feeds: One array per input.
        settings: How to load it; profiling is switched on in them.
    """
    settings.log_severity_level = _ERRORS_ONLY
    settings.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        settings.profile_file_prefix = str(Path(folder) / "profile")
        session = ort.InferenceSession(str(graph), settings, providers=["CPUExecutionProvider"])
        session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return [event["args"] for event in events if event.get("cat") == "Node" and event["name"].endswith(_RUN)]


def count_operators(
    graph: Graph, feeds: Mapping[str, Array], exported: list[dict[str, Any]], *, options: EngineOptions
) -> dict[str, Any]:
    """Count operators by type.

    Args:
        graph: The graph.
        feeds: One array per input.
        exported: The nodes that ``profiled_nodes`` found without any optimisation.
        options: As in the measurement: what the engine fuses hangs on them.

    Returns:
        ``exported`` and ``computed``: type -> number of operators; ``fused``: those of ``computed`` whose type the
        engine made, because the exported graph has none of it.
    """
    computed = _by_type(profiled_nodes(graph.path, feeds, session_options(graph.precision, options)))
    before = _by_type(exported)
    made = {name: number for name, number in computed.items() if name not in before}
    return {"exported": before, "computed": computed, "fused": made}


def _by_type(nodes: list[dict[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(node["op_name"] for node in nodes).items()))
