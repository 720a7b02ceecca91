"""The part that computes a graph of the bundle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from edgediff_runtimes.recipe.part import READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class Graph(Part):
    """A graph of the bundle is computed.

    Attributes:
        role: Its component.
        feeds: The value that each input is fed.
        takes: The name that each wanted output gets.
        alone: One row at a time, so that memory is that of one picture.
        tiled: It is fed one value, of pictures or latents, and may be computed tile by tile, see ``parts/tiling.py``.
        when: A value. Where it is one entry that is 0, the graph is not computed, and neither loaded: each of its
            outputs is one entry that is 0.
    """

    role: str
    feeds: dict[str, str] = field(metadata=READ)
    takes: dict[str, str] = field(metadata=WRITE)
    alone: bool = False
    tiled: bool = False
    when: str | None = field(default=None, metadata=READ)
