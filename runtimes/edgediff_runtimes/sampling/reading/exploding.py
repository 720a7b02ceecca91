"""Samplers on variance-exploding levels over a DDPM training schedule: Euler, Heun and their kin."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, exploding
from edgediff_runtimes.sampling.reading.settings import (
    BETAS,
    GRID_SWITCHES,
    Reading,
    as_array,
    choose,
    limit,
    parametrisation,
    steps_of,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod, linspace32
from edgediff_runtimes.sampling.schedules.sigmas import (
    chosen_grid,
    interpolate,
    regrid,
    sigma_to_t,
    training_sigmas,
)
from edgediff_runtimes.sampling.schedules.spacing import check_descending, spaced
from edgediff_runtimes.sampling.solvers.churn import ChurnedEuler
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.sampling.solvers.dpm_sde import DpmSde
from edgediff_runtimes.sampling.solvers.heun import Heun
from edgediff_runtimes.sampling.solvers.kdpm2 import Kdpm2
from edgediff_runtimes.sampling.solvers.lms import Lms

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.sampling.solver import Solver
    from edgediff_runtimes.tensors import Array, Floats

PREDICTIONS = ("epsilon", "v_prediction")
WITH_SAMPLE = (*PREDICTIONS, "sample")


def spaced_floats(settings: Settings, steps: int, dtype: type[np.floating[Any]] = np.float32) -> Array:
    """Timesteps of the config's spacing in floating point, descending; custom ones as given."""
    if settings["timesteps"] is not None:
        custom = as_array(settings["timesteps"], np.float32)
        check_descending(custom.tolist(), train_steps=settings["num_train_timesteps"])
        return custom
    spacing, train = settings["timestep_spacing"], settings["num_train_timesteps"]
    return spaced(spacing, steps=steps, train_steps=train, offset=settings["steps_offset"]).astype(dtype)


def noise_grid(settings: Settings, table: Floats, timesteps: Array) -> tuple[Array, Array]:
    """Noise levels of timesteps, or of the grid that is switched on with the timesteps that go with it."""
    sigmas = interpolate(timesteps, table)
    name = chosen_grid(settings)
    if name is None:
        return sigmas, timesteps
    sigmas = regrid(name, settings, sigmas, len(timesteps))
    return sigmas, sigma_to_t(sigmas, np.log(table))


def levels_of(sigmas: Array, timesteps: Array) -> list[Level]:
    """Levels of float32 noise levels and their timesteps; the end of the schedule is told as timestep 0."""
    told = [*timesteps, timesteps.dtype.type(0)]
    return [exploding(t, float(sigma)) for t, sigma in zip(told, sigmas, strict=True)]


def first_std(settings: Settings, sigmas: Array) -> float:
    """Standard deviation of the first sample: the largest sigma, with the data's variance for leading spacing."""
    largest = float(sigmas.max())
    return largest if settings["timestep_spacing"] in ("linspace", "trailing") else math.sqrt(largest**2 + 1)


def _euler(settings: Settings) -> Sampler:
    return euler_levels(settings, churned(settings, reread=settings["prediction_type"] != "v_prediction"))


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
        sigmas = custom_sigmas(settings)
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
        parametrisation=parametrisation(settings, WITH_SAMPLE),
        init_noise_sigma=first_std(settings, sigmas),
    )


def churned(settings: Settings, *, reread: bool) -> Solver:
    """Euler's method, with churn if the caller asks for it."""
    if settings["s_churn"] == 0:
        return Ddim()
    return ChurnedEuler(settings["s_churn"], settings["s_tmin"], settings["s_tmax"], settings["s_noise"], reread)


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


def custom_sigmas(settings: Settings) -> Floats:
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


def _euler_ancestral(settings: Settings) -> Sampler:
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    timesteps = spaced_floats(settings, steps_of(settings))
    sigmas = np.append(interpolate(timesteps, table), 0.0).astype(np.float32)
    return Sampler(
        intervals=chain(levels_of(sigmas, timesteps)),
        solver=Ddim(eta=1.0),
        parametrisation=parametrisation(settings, PREDICTIONS),
        init_noise_sigma=first_std(settings, sigmas),
    )


def _plain(settings: Settings, *, solver: Solver) -> Sampler:
    """A solver that makes every step from one noise level to the next, on the config's grid."""
    table = training_sigmas(alphas_cumprod(settings))
    sigmas, timesteps = noise_grid(settings, table, spaced_floats(settings, steps_of(settings)))
    sigmas = np.append(sigmas, 0.0).astype(np.float32)
    return Sampler(
        intervals=chain(levels_of(sigmas, timesteps.astype(np.float32))),
        solver=solver,
        parametrisation=parametrisation(settings, WITH_SAMPLE),
        limit=limit(settings),
        init_noise_sigma=first_std(settings, sigmas),
    )


def _kdpm2(settings: Settings, *, ancestral: bool) -> Sampler:
    table = training_sigmas(alphas_cumprod(settings))
    sigmas, timesteps = noise_grid(settings, table, spaced_floats(settings, steps_of(settings)))
    if settings["use_karras_sigmas"]:
        timesteps = timesteps.round()
    sigmas = np.append(sigmas, 0.0).astype(np.float32)
    levels = levels_of(sigmas, timesteps)
    # The difference of squares is taken in float32, as in the reference: where a step is long its last bits are all.
    start, end = sigmas[:-1], sigmas[1:]
    up = np.sqrt(end**2 * (start**2 - end**2) / start**2)
    down = np.sqrt(end**2 - up**2) if ancestral else end
    via = [midpoint(levels[i], float(sigma), table, timesteps.dtype) for i, sigma in enumerate(down)]
    intervals = chain(levels, via)
    if ancestral:
        intervals = tuple(replace(v, extra=(float(down[i]), float(up[i]))) for i, v in enumerate(intervals))
    return Sampler(
        intervals=intervals,
        solver=Kdpm2(),
        parametrisation=parametrisation(settings, PREDICTIONS),
        init_noise_sigma=first_std(settings, sigmas),
    )


def midpoint(start: Level, end: float, table: Floats, dtype: np.dtype[Any]) -> tuple[Level, ...]:
    """The level halfway in log(sigma), or none before the clean end."""
    if end <= 0:
        return ()
    sigma = np.array([math.sqrt(start.sigma * end)])
    return (exploding(sigma_to_t(sigma, np.log(table)).astype(dtype)[0], float(sigma[0])),)


def _dpm_sde(settings: Settings) -> Sampler:
    table = training_sigmas(alphas_cumprod(settings))
    sigmas, timesteps = noise_grid(settings, table, spaced_floats(settings, steps_of(settings), np.float64))
    levels = levels_of(np.append(sigmas, 0.0).astype(np.float32), timesteps)
    seed = settings["noise_sampler_seed"]
    return Sampler(
        intervals=chain(levels, [midpoint(a, b.sigma, table, timesteps.dtype) for a, b in pairwise(levels)]),
        solver=DpmSde(span=(levels[-2].sigma, levels[0].sigma), seed=seed, s_noise=settings["s_noise"]),
        parametrisation=parametrisation(settings, PREDICTIONS),
        init_noise_sigma=first_std(settings, np.array([level.sigma for level in levels])),
    )


_SPACING: dict[str, Any] = {"prediction_type": "epsilon", "timestep_spacing": "linspace", "steps_offset": 0}
EULER_FIELDS: dict[str, Any] = {
    **BETAS,
    **_SPACING,
    **GRID_SWITCHES,
    "interpolation_type": "linear",
    "sigma_min": None,
    "sigma_max": None,
    "timestep_type": "discrete",
    "rescale_betas_zero_snr": False,
    "final_sigmas_type": "zero",
}
_ANCESTRAL_FIELDS: dict[str, Any] = {**BETAS, **_SPACING, "rescale_betas_zero_snr": False}
_KDPM2_FIELDS: dict[str, Any] = {
    **BETAS,
    **_SPACING,
    **GRID_SWITCHES,
    "beta_start": 0.00085,
    "beta_end": 0.012,
}
_HEUN_FIELDS: dict[str, Any] = {**_KDPM2_FIELDS, "clip_sample": False, "clip_sample_range": 1.0}
CHURN: dict[str, Any] = {"s_churn": 0.0, "s_tmin": 0.0, "s_tmax": math.inf, "s_noise": 1.0}

READINGS: dict[str, Reading] = {
    "EulerDiscreteScheduler": Reading(EULER_FIELDS, _euler, frozenset({"timesteps", "sigmas"}), CHURN),
    "EulerAncestralDiscreteScheduler": Reading(_ANCESTRAL_FIELDS, _euler_ancestral),
    "LMSDiscreteScheduler": Reading({**BETAS, **_SPACING, **GRID_SWITCHES}, partial(_plain, solver=Lms())),
    "KDPM2DiscreteScheduler": Reading(_KDPM2_FIELDS, partial(_kdpm2, ancestral=False)),
    "KDPM2AncestralDiscreteScheduler": Reading(_KDPM2_FIELDS, partial(_kdpm2, ancestral=True)),
    "DPMSolverSDEScheduler": Reading(
        {**_KDPM2_FIELDS, "noise_sampler_seed": None}, _dpm_sde, keywords={"s_noise": 1.0}
    ),
    "HeunDiscreteScheduler": Reading(_HEUN_FIELDS, partial(_plain, solver=Heun()), frozenset({"timesteps"})),
}
