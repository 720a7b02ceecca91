"""DDIM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.reading.shared.discrete_time import (
    DDIM_FIELDS,
    eta_of,
    final_product,
    spaced_timesteps,
    strided,
)
from edgediff_runtimes.sampling.reading.shared.settings import PREDICTIONS, Reading, limit, parametrisation, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.solvers.ddim import Ddim

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings, most=settings["num_train_timesteps"])
    products = alphas_cumprod(settings)
    timesteps = spaced_timesteps(settings, steps).tolist()
    stride = settings["num_train_timesteps"] // steps
    return Sampler(
        intervals=strided(products, timesteps, stride=stride, final=final_product(settings, products)),
        solver=Ddim(eta=eta_of(settings, default=0.0)),
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
    )


READING = Reading(DDIM_FIELDS, _build, frozenset({"eta"}))
