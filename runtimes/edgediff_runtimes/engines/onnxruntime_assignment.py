"""Which of ONNX Runtime's providers computes which nodes of a graph, and in which share of the time.

Every provider leaves what it cannot compute to the CPU, and the library does not say so by itself.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from edgediff_runtimes.engines.base import Share
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.engines.onnxruntime_providers import CPU

RECORD = ("session.record_ep_graph_assignment_info", "1")
# Operators that say shapes or copy: the library keeps them on the CPU where what follows needs them there, by design.
BOOKKEEPING = frozenset(
    (
        *("Shape", "Size", "Gather", "Unsqueeze", "Squeeze", "Cast", "Concat", "Slice", "Range", "ConstantOfShape"),
        *("Identity", "Reshape"),
    )
)


def assigned(session: ort.InferenceSession) -> dict[str, Counter[str]]:
    """Operators by provider, each with how many of its nodes that provider has; empty where the library cannot tell."""
    try:
        parts = session.get_provider_graph_assignment_info()
    except (AttributeError, RuntimeError):  # it came with 1.24, and is of sessions that were told to record
        return {}
    found: dict[str, Counter[str]] = {}
    for part in parts:
        found.setdefault(part.ep_name, Counter()).update(node.op_type for node in part.get_nodes())
    return found


def left_to_cpu(nodes: Mapping[str, Counter[str]]) -> tuple[str, ...]:
    """The operators that the CPU computes, without bookkeeping, in alphabetical order."""
    return tuple(sorted(nodes.get(CPU, Counter()).keys() - BOOKKEEPING))


def shares(nodes: Mapping[str, Counter[str]], seconds: Mapping[str, float]) -> dict[str, Share]:
    """Nodes and share of the time of each provider.

    Args:
        nodes: As ``assigned`` gives them.
        seconds: By provider; empty where nothing was measured.
    """
    whole = sum(seconds.values())
    alone = dict.fromkeys(nodes, 1.0) if len(nodes) == 1 else {}
    part = {name: seconds.get(name, 0.0) / whole for name in nodes} if whole else alone
    return {name: Share(sum(counts.values()), part.get(name)) for name, counts in nodes.items()}


@final
class Profile:
    """The library's own profile of a session's second call: the first one prepares what later ones find ready.

    Args:
        folder: Where the library may write, for this session alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = 0

    def switch_on(self, settings: ort.SessionOptions) -> None:
        """Have a session write a profile."""
        settings.enable_profiling = True
        settings.profile_file_prefix = str(self._folder / "profile")

    def called(self, session: ort.InferenceSession) -> dict[str, float] | None:
        """To be told after every call: seconds by provider once they are known, which is once."""
        self._calls += 1
        if self._calls != 2:  # noqa: PLR2004 - the second
            return None
        path = Path(session.end_profiling())
        events = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        return of_last_run(events)


def of_last_run(events: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds of kernels by provider in the last run of a profile."""
    runs = [event for event in events if event.get("name") == "model_run"]
    since = runs[-1]["ts"] if runs else 0
    seconds: Counter[str] = Counter()
    for event in events:
        about = event.get("args", {})
        if event.get("cat") == "Node" and event["ts"] >= since and "provider" in about:
            seconds[about["provider"]] += event["dur"]
    return {name: microseconds / 1e6 for name, microseconds in seconds.items()}
