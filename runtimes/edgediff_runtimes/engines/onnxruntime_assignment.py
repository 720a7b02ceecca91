"""Which of ONNX Runtime's providers computed which nodes of a graph, and in which share of the time.

Every provider leaves what it cannot compute to the CPU, and the library does not say so by itself. Shapes are computed
on the CPU by design; what counts are operators on floats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgediff_runtimes.engines.base import Share
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.engines.onnxruntime_providers import device_name

RECORD = ("session.record_ep_graph_assignment_info", "1")


def assigned(session: ort.InferenceSession) -> int | None:
    """How many nodes a graph has that one provider computes alone; None where the library cannot tell."""
    try:
        return sum(len(part.get_nodes()) for part in session.get_provider_graph_assignment_info())
    except (AttributeError, RuntimeError):  # it came with 1.24, and is of sessions that were told to record
        return None


def profiled(session: ort.InferenceSession) -> dict[str, Share]:
    """What the library's own profile says of a session's last call; the session must have been told to write one."""
    path = Path(session.end_profiling())
    events = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return of_last_run(events)


def of_last_run(events: Sequence[Mapping[str, Any]]) -> dict[str, Share]:
    """The kernels of the last run in a profile, by what their provider is called here."""
    runs = [event["ts"] for event in events if event.get("name") == "model_run"]
    since = max(runs, default=0)
    kernels: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        provider = event.get("args", {}).get("provider")
        if event.get("cat") == "Node" and event["ts"] >= since and provider:
            kernels.setdefault(provider, []).append(event)
    whole = sum(event["dur"] for found in kernels.values() for event in found) or 1
    return {
        device_name(provider): Share(
            nodes=len(found),
            time=sum(event["dur"] for event in found) / whole,
            operators=tuple(sorted({event["args"].get("op_name", "") for event in found if _has_floats(event)})),
        )
        for provider, found in kernels.items()
    }


def _has_floats(event: Mapping[str, Any]) -> bool:
    """Whether a kernel computes with floats: its inputs are told as ``[{"float": [1, 4]}, ...]``."""
    given = event["args"].get("input_type_shape", [])
    return any(kind in ("float", "float16", "bfloat16", "double") for tensor in given for kind in tensor)
