"""DDIM on CogVideoX's schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.reading.shared.cogvideox import COG_FIELDS, cogvideox
from edgediff_runtimes.sampling.reading.shared.settings import Reading
from edgediff_runtimes.sampling.solvers.ddim import Ddim

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _build(settings: Settings) -> Sampler:
    return cogvideox(settings, Ddim(derived=True))


READING = Reading(COG_FIELDS, _build)
