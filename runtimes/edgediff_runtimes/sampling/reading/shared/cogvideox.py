"""CogVideoX's schedule, which shifts the signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.reading.shared.discrete_time import (
    DDIM_FIELDS,
    final_product,
    spaced_timesteps,
    strided,
)
from edgediff_runtimes.sampling.reading.shared.settings import PREDICTIONS, parametrisation, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import make_betas, rescale_products_zero_terminal_snr

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.solvers.ddim import Ddim
    from edgediff_runtimes.sampling.solvers.dpm_multistep import DpmMultistep
    from edgediff_runtimes.tensors import Array


def _shifted_products(settings: Settings) -> Array:
    """CogVideoX's products: their SNR divided by ``snr_shift_scale``, then rescaled, in float64 where scaled-linear."""
    betas: Array = make_betas(settings)
    if settings["trained_betas"] is None and settings["beta_schedule"] == "scaled_linear":
        root = np.linspace(settings["beta_start"] ** 0.5, settings["beta_end"] ** 0.5, settings["num_train_timesteps"])
        betas = root**2
    products = np.cumprod(1 - betas.astype(np.float64)).astype(betas.dtype)
    scale = settings["snr_shift_scale"]
    products = products / (scale + (1 - scale) * products)
    return rescale_products_zero_terminal_snr(products) if settings["rescale_betas_zero_snr"] else products


def cogvideox(settings: Settings, solver: Ddim | DpmMultistep) -> Sampler:
    """A solver on that schedule."""
    steps = steps_of(settings, most=settings["num_train_timesteps"])
    products = _shifted_products(settings)
    timesteps = spaced_timesteps(settings, steps).tolist()
    stride = settings["num_train_timesteps"] // steps
    return Sampler(
        intervals=strided(products, timesteps, stride=stride, final=final_product(settings, products)),
        solver=solver,
        parametrisation=parametrisation(settings, PREDICTIONS),
    )


COG_FIELDS: dict[str, Any] = {
    **{
        name: value for name, value in DDIM_FIELDS.items() if name not in ("thresholding", "dynamic_thresholding_ratio")
    },
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "snr_shift_scale": 3.0,
}
