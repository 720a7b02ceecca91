"""The part that begins with a picture in which there is noise already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, final

from edgediff_runtimes.recipe.part import READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class Noisy(Part):
    """A picture with noise in it: ``(1, 3, height, width)`` to ``(pictures, channels, height, width)``, float32.

    The run begins at the noise level that is nearest to the picture's, and adds none.

    Attributes:
        name: The picture, in the numbers of the sampler's space.
        to: The value; the sampler starts from the one that is called ``noisy``.
        span: How far black and white are apart in that space; ``noise_level`` is told for a distance of 1.
    """

    ALWAYS: ClassVar = ("noise_level",)
    name: str = field(metadata=READ)
    to: str = field(default="noisy", metadata=WRITE)
    span: float = 2.0
