"""The schedule of ``EulerDiscreteScheduler``, on which samplers stand that diffusers lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.reading.shared.exploding import SPACING, first_std, levels_of, noise_grid, spaced_floats
from edgediff_runtimes.sampling.reading.shared.settings import (
    BETAS,
    GRID_SWITCHES,
    PREDICTIONS,
    as_array,
    choose,
    parametrisation,
    steps_of,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod, linspace32
from edgediff_runtimes.sampling.schedules.sigmas import chosen_grid, regrid, sigma_to_t, training_sigmas
from edgediff_runtimes.sampling.solvers.cfg_plus_plus import CfgPlusPlus

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.solver import Solver
    from edgediff_runtimes.tensors import Array, Floats


def euler_levels(settings: Settings, solver: Solver) -> Sampler:
    """A solver on the schedule of ``EulerDiscreteScheduler``.

    Raises:
        SamplerError: a setting of the schedule cannot be applied.
    """
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    continuous = (
        choose(settings, "timestep_type", ("discrete", "continuous")) == "continuous"
        and settings["prediction_type"] == "v_prediction"
    )
    if settings["sigmas"] is not None:
        sigmas = _custom_sigmas(settings)
        timesteps = sigma_to_t(sigmas[:-1], np.log(table))
    else:
        steps = steps_of(settings)
        timesteps = spaced_floats(settings, steps)
        if continuous and settings["timesteps"] is not None:
            raise SamplerError("timesteps", got="custom timesteps", expected="none with continuous v-prediction")
        sigmas, timesteps = _euler_grid(settings, table, timesteps)
        last = table[0] if choose(settings, "final_sigmas_type", ("zero", "sigma_min")) == "sigma_min" else 0
        sigmas = np.concatenate([sigmas, [last]]).astype(np.float32)
    told = (0.25 * np.log(sigmas[:-1])) if continuous else timesteps
    return Sampler(
        intervals=chain(levels_of(sigmas, told.astype(np.float32))),
        solver=solver,
        parametrisation=parametrisation(settings, PREDICTIONS),
        init_noise_sigma=first_std(settings, sigmas),
    )


def _euler_grid(settings: Settings, table: Floats, timesteps: Array) -> tuple[Array, Array]:
    if choose(settings, "interpolation_type", ("linear", "log_linear")) == "linear":
        return noise_grid(settings, table, timesteps)
    logs = np.log(table)
    sigmas: Array = np.exp(linspace32(float(logs[-1]), float(logs[0]), len(timesteps) + 1))
    name = chosen_grid(settings)
    if name is None:
        raise SamplerError(
            "interpolation_type",
            got="log_linear",
            expected="`linear`, or one of the grids (Karras, exponential, beta) beside it",
            hint="`use_exponential_sigmas` spaces the levels evenly in log(sigma)",
        )
    sigmas = regrid(name, settings, sigmas, len(timesteps))
    return sigmas, sigma_to_t(sigmas, logs)


def _custom_sigmas(settings: Settings) -> Floats:
    """The caller's noise levels with their end, float32.

    Raises:
        SamplerError: they do not fall, or there are not as many steps.
    """
    sigmas = as_array(settings["sigmas"], np.float32)
    enough = 2
    if len(sigmas) < enough or not np.all(np.diff(sigmas) < 0) or sigmas[-1] < 0:
        raise SamplerError(
            "sigmas", got=list(settings["sigmas"]), expected="numbers that fall, with the last at least 0"
        )
    if settings["steps"] is not None and settings["steps"] != len(sigmas) - 1:
        raise SamplerError("steps", got=settings["steps"], expected=f"{len(sigmas) - 1}, one less than sigmas")
    return sigmas


def cfg_plus_plus(settings: Settings, *, ancestral: bool) -> Sampler:
    """CFG++ on that schedule."""
    return replace(euler_levels(settings, CfgPlusPlus(ancestral)), needs_unguided=True)


EULER_FIELDS: dict[str, Any] = {
    **BETAS,
    **SPACING,
    **GRID_SWITCHES,
    "interpolation_type": "linear",
    "sigma_min": None,
    "sigma_max": None,
    "timestep_type": "discrete",
    "rescale_betas_zero_snr": False,
    "final_sigmas_type": "zero",
}
EULER_TAKES = frozenset({"timesteps", "sigmas"})
