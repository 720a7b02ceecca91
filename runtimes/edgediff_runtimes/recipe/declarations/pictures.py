"""Parts for pictures at both ends of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from edgediff_runtimes.recipe.part import OPTION, READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class Picture(Part):
    """The caller's picture, one for all: ``(1, 3, height, width)``, float32 in [-1, 1], in the size of the run.

    Attributes:
        choice: The option.
        to: The value.
        area: It has its own size, or in its own shape at most so many pixels, and is cut on all sides to whole
            multiples of the space's; None: it has the size of the run.
    """

    ALWAYS: ClassVar = ("width", "height")
    choice: str = field(metadata=OPTION)
    to: str = field(metadata=WRITE)
    area: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Pictures(Part):
    """The last part of a result that is pictures.

    Attributes:
        name: ``(pictures, 1 or 3, height, width)`` in [-1, 1]; what lies outside is cut off.
    """

    name: str = field(metadata=READ)
