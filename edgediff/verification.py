"""What ``edgediff.verify`` found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from edgediff_runtimes.components import Computed
from edgediff_runtimes.quality.claims import Figure


@final
@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found.

    Attributes:
        files: Files whose hashes were compared.
        graphs: Graphs that an engine loaded.
        errors: With ``against``: max |graph - module| / max |module| of each component.
        tolerances: With ``against``: what the precision of a component allows it; none where its weights or arithmetic
            are rounded by how well the pictures come out.
        not_compared: With ``against``: components that were not, and why.
        figures: Every figure of quality that the manifest claims, as it was measured again.
        not_measured: Why there are no figures; None where there are.
        computed: How each component was computed as its figures were measured, and which of the engine's backends
            computed how much of it; empty where nothing was measured.
    """

    files: int
    graphs: int
    errors: dict[str, float] = field(default_factory=dict)
    tolerances: dict[str, float] = field(default_factory=dict)
    not_compared: dict[str, str] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    not_measured: str | None = None
    computed: dict[str, Computed] = field(default_factory=dict)
