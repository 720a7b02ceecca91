"""Heun's method on flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.prediction import Flow
from edgediff_runtimes.sampling.reading.shared.flow import SHIFT_ONLY, flow_levels
from edgediff_runtimes.sampling.reading.shared.settings import Reading
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.heun import Heun

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    return Sampler(chain(flow_levels(settings)), Heun(), Flow(), fractional_strength=True)


READING = Reading(SHIFT_ONLY, _build)
