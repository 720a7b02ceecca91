"""Who computed a component, in a few words."""

from __future__ import annotations

from collections.abc import Mapping

from edgediff_runtimes.engines import Share


def shares_text(shares: Mapping[str, Share]) -> str:
    """What each of an engine's backends computed, by name, the most time first.

    It reads ``webgpu 99.1 % (484 of 486 nodes), cpu 0.9 % (2 of 486 nodes)``.
    """
    nodes = sum(share.nodes for share in shares.values())
    ordered = sorted(shares.items(), key=lambda one: -one[1].time)
    told = (f"{name} {100 * share.time:.1f} % ({share.nodes} of {nodes} nodes)" for name, share in ordered)
    return ", ".join(told) or "not told by the engine"
