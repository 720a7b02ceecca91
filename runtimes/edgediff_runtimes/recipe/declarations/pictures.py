"""Parts for pictures at both ends of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from edgediff_runtimes.recipe.part import OPTION, READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class Picture(Part):
    """The caller's picture in the size of the run: ``(1, 3, height, width)``, float32 in [-1, 1], one for all.

    Attributes:
        choice: The option.
        to: The value.
    """

    ALWAYS: ClassVar = ("width", "height")
    choice: str = field(metadata=OPTION)
    to: str = field(metadata=WRITE)


@final
@dataclass(frozen=True, slots=True)
class Pictures(Part):
    """The last part of a result that is pictures.

    Attributes:
        name: ``(pictures, 1 or 3, height, width)`` in [-1, 1]; what lies outside is cut off.
    """

    name: str = field(metadata=READ)
