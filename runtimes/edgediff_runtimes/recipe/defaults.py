"""What a run uses where the caller says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from edgediff_runtimes.fields import Fields
from edgediff_runtimes.untrusted.bounds import SIDE, STEPS


@final
@dataclass(frozen=True, slots=True)
class Defaults:
    """Sampling steps, guidance scale, and pixels; no pixels where results have none or the model has one size."""

    steps: int
    guidance: float = 1.0
    width: int | None = None
    height: int | None = None

    @classmethod
    def read(cls, fields: Fields) -> Defaults:
        """Read the defaults."""
        sizes = (
            None if fields.values.get(name) is None else fields.integer(name, minimum=1, bound=SIDE)
            for name in ("width", "height")
        )
        return cls(fields.integer("steps", minimum=1, bound=STEPS), fields.number("guidance"), *sizes)
