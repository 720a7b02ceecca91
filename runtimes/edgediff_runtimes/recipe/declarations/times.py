"""The part that tells a network its time step as sines and cosines, where its graph does not compute them itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from edgediff_runtimes.recipe.part import READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class TimeSinusoid(Part):
    """Numbers, such as the time step, as sines and cosines: ``(rows, numbers of a row * dim)``, float32.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.5, as diffusers' ``get_timestep_embedding`` has it. A
    device that computes sines of large numbers in half precision, or by a short series, is not asked for them.

    Attributes:
        name: The numbers: one per row, or several.
        to: The value.
        dim: Of each number: sines, then as many cosines; a zero behind them where it is odd.
        cosine_first: The cosines stand in front.
        shift: What half of ``dim`` is lessened by in the exponent of the frequencies.
        scale: What the numbers are multiplied by beforehand.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    dim: int
    cosine_first: bool = False
    shift: float = 0.0
    scale: float = 1.0
