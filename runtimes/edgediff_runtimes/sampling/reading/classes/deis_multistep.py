"""DEIS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgediff_runtimes.sampling.reading.shared.log_snr import (
    FLOW_SWITCHES,
    LOG_SNR_FIELDS,
    intervals_of,
    last_level,
    noise_levels,
    predicted,
    whole_timesteps,
)
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, limit, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas
from edgediff_runtimes.sampling.solvers.deis import Deis

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    order = choose(settings, "solver_order", (1, 2, 3))
    choose(settings, "algorithm_type", ("deis", "dpmsolver", "dpmsolver++"))
    choose(settings, "solver_type", ("logrho", "midpoint", "heun", "bh1", "bh2"))
    table = training_sigmas(alphas_cumprod(settings))
    timesteps = whole_timesteps(settings, steps, last=settings["num_train_timesteps"])
    sigmas, timesteps = noise_levels(settings, table, timesteps)
    return Sampler(
        intervals=intervals_of(settings, sigmas, timesteps, last_level(settings, sigmas, table)),
        solver=Deis(order, settings["lower_order_final"]),
        parametrisation=predicted(settings),
        limit=limit(settings),
    )


_FIELDS: dict[str, Any] = {
    **LOG_SNR_FIELDS,
    **FLOW_SWITCHES,
    "solver_order": 2,
    "algorithm_type": "deis",
    "solver_type": "logrho",
}

READING = Reading(_FIELDS, _build, frozenset({"mu"}))
