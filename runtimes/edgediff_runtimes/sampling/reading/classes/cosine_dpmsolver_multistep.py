"""DPM-Solver++ (SDE) with a Brownian path on Stable Audio's cosine schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import chain, exploding
from edgediff_runtimes.sampling.reading.shared.dpm import multistep
from edgediff_runtimes.sampling.reading.shared.edm import EDM_FIELDS, edm_end, edm_first_std, edm_sigmas, network
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, steps_of
from edgediff_runtimes.sampling.sampler import Sampler

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    sigmas, data = edm_sigmas(settings, steps), settings["sigma_data"]
    last = edm_end(settings, sigmas)
    told = [*(np.arctan(sigmas) / np.float32(math.pi) * np.float32(2)), np.float32(0)]
    levels = [exploding(t, s, data) for t, s in zip(told, [*map(float, sigmas), last], strict=True)]
    return Sampler(
        intervals=chain(levels),
        solver=multistep(
            settings,
            order=choose(settings, "solver_order", (1, 2)),
            kind="sde-dpmsolver++",
            brownian=(settings["sigma_min"], settings["sigma_max"]),
        ),
        parametrisation=network(settings),
        init_noise_sigma=edm_first_std(settings),
    )


_FIELDS: dict[str, Any] = {
    **EDM_FIELDS,
    "sigma_min": 0.3,
    "sigma_max": 500,
    "sigma_data": 1.0,
    "sigma_schedule": "exponential",
    "prediction_type": "v_prediction",
    "solver_order": 2,
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
}

READING = Reading(_FIELDS, _build)
