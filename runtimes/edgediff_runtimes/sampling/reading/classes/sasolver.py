"""SA-Solver."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edgediff_runtimes.sampling.reading.shared.log_snr import (
    LOG_SNR_FIELDS,
    in_log_snr,
    intervals_of,
    last_level,
    noise_levels,
    noisiest,
    whole_timesteps,
)
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, steps_of
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas
from edgediff_runtimes.sampling.solvers.sa_solver import SaSolver, middle_tau

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    predictor = choose(settings, "predictor_order", (1, 2, 3, 4))
    corrector = choose(settings, "corrector_order", (1, 2, 3, 4))
    data = choose(settings, "algorithm_type", ("data_prediction", "noise_prediction")) == "data_prediction"
    products = alphas_cumprod(settings)
    table = training_sigmas(products)
    timesteps = whole_timesteps(settings, steps, last=noisiest(settings, products))
    sigmas, timesteps = noise_levels(settings, table, timesteps)
    return in_log_snr(
        settings,
        intervals_of(settings, sigmas, timesteps, last_level(settings, sigmas, table)),
        SaSolver(
            predictor_order=predictor,
            corrector_order=corrector,
            tau=settings["tau_func"] or middle_tau,
            data=data,
            lower_order_final=settings["lower_order_final"],
            derived=settings["thresholding"],
        ),
    )


_FIELDS: dict[str, Any] = {
    **LOG_SNR_FIELDS,
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "predictor_order": 2,
    "corrector_order": 2,
    "tau_func": None,
    "algorithm_type": "data_prediction",
    "lambda_min_clipped": -math.inf,
    "variance_type": None,
}

READING = Reading(_FIELDS, _build)
