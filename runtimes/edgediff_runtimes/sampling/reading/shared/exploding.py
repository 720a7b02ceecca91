"""Variance-exploding levels over a DDPM training schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import chain, exploding
from edgediff_runtimes.sampling.reading.shared.settings import (
    BETAS,
    GRID_SWITCHES,
    PREDICTIONS,
    as_array,
    limit,
    parametrisation,
    steps_of,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import chosen_grid, interpolate, regrid, sigma_to_t, training_sigmas
from edgediff_runtimes.sampling.schedules.spacing import check_descending, spaced

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.solver import Solver
    from edgediff_runtimes.tensors import Array, Floats

WITHOUT_CLEAN = ("epsilon", "v_prediction")


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


def plain(settings: Settings, *, solver: Solver) -> Sampler:
    """A solver that makes every step from one noise level to the next, on the config's grid."""
    table = training_sigmas(alphas_cumprod(settings))
    sigmas, timesteps = noise_grid(settings, table, spaced_floats(settings, steps_of(settings)))
    sigmas = np.append(sigmas, 0.0).astype(np.float32)
    return Sampler(
        intervals=chain(levels_of(sigmas, timesteps.astype(np.float32))),
        solver=solver,
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
        init_noise_sigma=first_std(settings, sigmas),
    )


def midpoint(start: Level, end: float, table: Floats, dtype: np.dtype[Any]) -> tuple[Level, ...]:
    """The level halfway in log(sigma), or none before the clean end."""
    if end <= 0:
        return ()
    sigma = np.array([math.sqrt(start.sigma * end)])
    return (exploding(sigma_to_t(sigma, np.log(table)).astype(dtype)[0], float(sigma[0])),)


SPACING: dict[str, Any] = {"prediction_type": "epsilon", "timestep_spacing": "linspace", "steps_offset": 0}
SD_FIELDS: dict[str, Any] = {
    **BETAS,
    **SPACING,
    **GRID_SWITCHES,
    "beta_start": 0.00085,
    "beta_end": 0.012,
}
