"""A graph of a component for inputs of one length along every axis, as processors of neural networks want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.bounds import SIDE


@final
@dataclass(frozen=True, slots=True)
class FixedGraph:
    """One graph of a component that has several.

    Attributes:
        file: Its path inside the bundle, which is among those of the component.
        axes: The length of every axis that has a name in the component's inputs.
    """

    file: str
    axes: dict[str, int]

    @classmethod
    def read(cls, fields: Fields) -> FixedGraph:
        """Read one graph; every length is at least 1."""
        axes = fields.fields("axes")
        lengths = {name: axes.integer(name, minimum=1, bound=SIDE) for name in axes.values}
        return cls(fields.string("file"), lengths)
