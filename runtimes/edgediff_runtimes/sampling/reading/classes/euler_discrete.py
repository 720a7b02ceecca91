"""Euler's method, with churn where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.reading.shared.churn import CHURN, churned
from edgediff_runtimes.sampling.reading.shared.euler import EULER_FIELDS, euler_levels
from edgediff_runtimes.sampling.reading.shared.settings import Reading

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _build(settings: Settings) -> Sampler:
    return euler_levels(settings, churned(settings, reread=settings["prediction_type"] != "v_prediction"))


READING = Reading(EULER_FIELDS, _build, frozenset({"timesteps", "sigmas"}), CHURN, fractional=True)
