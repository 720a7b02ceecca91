"""Euler's method of EDM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.reading.shared.churn import CHURN, churned
from edgediff_runtimes.sampling.reading.shared.edm import (
    EDM_FIELDS,
    edm_first_std,
    edm_levels,
    edm_sigmas,
    ends_clean,
    network,
)
from edgediff_runtimes.sampling.reading.shared.settings import Reading, steps_of
from edgediff_runtimes.sampling.sampler import Sampler

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    sigmas = edm_sigmas(settings, steps_of(settings))
    return Sampler(
        intervals=chain(edm_levels(settings, sigmas, 0.0 if ends_clean(settings) else float(sigmas[-1]))),
        solver=churned(settings, reread=True),
        parametrisation=network(settings),
        init_noise_sigma=edm_first_std(settings),
    )


READING = Reading(EDM_FIELDS, _build, keywords=CHURN)
