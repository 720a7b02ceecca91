"""The part that tells a network its time step as sines and cosines, where its graph does not compute them itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from edgediff_runtimes.recipe.part import READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class TimeSinusoid(Part):
    """Numbers of one axis, such as the time step, as sines and cosines: ``(entries, dim)``, float32.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.5, as diffusers' ``get_timestep_embedding`` has it. A
    device that computes sines of large numbers in half precision, or by a short series, is not asked for them.

    Attributes:
        name: The numbers.
        to: The value.
        dim: Sines, then as many cosines; a zero behind them where it is odd.
        cosine_first: The cosines stand in front.
        shift: What half of ``dim`` is lessened by in the exponent of the frequencies.
    """

    name: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    dim: int
    cosine_first: bool = False
    shift: float = 0.0
