"""Levels of samplers that integrate in log-SNR, variance preserving or flow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing, preserving_at
from edgediff_runtimes.sampling.reading.shared.settings import (
    BETAS,
    GRID_SWITCHES,
    PREDICTIONS,
    THRESHOLDING,
    choose,
    limit,
    parametrisation,
    whole_custom,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.sigmas import chosen_grid, interpolate, regrid, sigma_to_t
from edgediff_runtimes.sampling.schedules.spacing import spaced

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.prediction import Parametrisation
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.solver import Solver
    from edgediff_runtimes.tensors import Array, Floats


def predicted(settings: Settings) -> Parametrisation:
    """The meaning of the output; flow models need flow levels.

    Raises:
        SamplerError: a flow model without ``use_flow_sigmas``.
    """
    flow = settings["use_flow_sigmas"]
    if settings["prediction_type"] == "flow_prediction" and not flow:
        hint = "set `use_flow_sigmas=True`"
        raise SamplerError("prediction_type", got="flow_prediction", expected="flow noise levels beside it", hint=hint)
    return parametrisation(settings, (*PREDICTIONS, "flow_prediction") if flow else PREDICTIONS)


def noisiest(settings: Settings, products: Floats) -> int:
    """One above the noisiest timestep whose half log-SNR is at least ``lambda_min_clipped``, if the class clips."""
    log_snr = np.log(np.sqrt(products)) - np.log(np.sqrt(np.float32(1) - products))
    clipped = int(np.searchsorted(log_snr[::-1], settings["lambda_min_clipped"]))
    return int(settings["num_train_timesteps"]) - clipped


def _flow_shift(settings: Settings) -> float:
    """The shift of flow levels: ``exp(mu)`` where it is dynamic.

    Raises:
        SamplerError: ``mu`` is given without dynamic shifting.
    """
    if settings["mu"] is None:
        return float(settings["flow_shift"])
    if not settings.get("use_dynamic_shifting"):
        raise SamplerError("mu", got=settings["mu"], expected="`use_dynamic_shifting=True` beside it")
    choose(settings, "time_shift_type", ("exponential",))
    return math.exp(settings["mu"])


def _flow_grid(settings: Settings, steps: int) -> Array:
    """Shifted flow levels, evenly spaced before the shift, float64."""
    shift = _flow_shift(settings)
    sigmas = 1.0 - np.linspace(1, 1 / settings["num_train_timesteps"], steps + 1)
    return np.flip(shift * sigmas / (1 + (shift - 1) * sigmas))[:-1]


def whole_timesteps(settings: Settings, steps: int, *, last: int) -> Array:
    """Whole timesteps of the config's spacing, made for one more step than asked; custom ones as given."""
    if settings["timesteps"] is not None:
        return whole_custom(settings)
    spacing = settings["timestep_spacing"]
    grid = spaced(
        spacing,
        steps=steps,
        train_steps=settings["num_train_timesteps"],
        offset=settings["steps_offset"],
        last=last,
        extra=0 if spacing == "trailing" else 1,
    )
    return grid.round().astype(np.int64)


def no_grid_on_flow(settings: Settings, name: str | None) -> None:
    """Refuse a grid between training sigmas on flow levels, which end at 1.

    Raises:
        SamplerError: as said.
    """
    if name is not None and settings["use_flow_sigmas"]:
        hint = "leave out one of them, or take UniPC with Karras' grid"
        raise SamplerError(name, got=True, expected="no flow noise levels beside it: it reaches above 1", hint=hint)


def noise_levels(settings: Settings, table: Floats, timesteps: Array, *, rounded: bool = True) -> tuple[Array, Array]:
    """Noise levels in float64 without their end, and the timesteps that go with them."""
    steps, logs = len(timesteps), np.log(table)
    name, lu = chosen_grid(settings), settings.get("use_lu_lambdas", False)
    if lu and name is not None:
        raise SamplerError("use_lu_lambdas", got=True, expected=f"at most one grid, and `{name}` is on")
    name = "use_lu_lambdas" if lu else name
    no_grid_on_flow(settings, name)
    if name is not None and not lu:
        sigmas = regrid(name, settings, table[::-1], steps)
        told = sigma_to_t(sigmas, logs)
        return sigmas, told.round() if rounded and name == "use_karras_sigmas" else told
    if name is not None:
        if settings["timesteps"] is not None:
            raise SamplerError("use_lu_lambdas", got=True, expected="no grid beside custom timesteps")
        sigmas = np.exp(np.linspace(float(logs[-1]), float(logs[0]), steps))
        told = sigma_to_t(sigmas, logs)
        return sigmas, told.round() if rounded else told
    if settings["use_flow_sigmas"]:
        sigmas = _flow_grid(settings, steps)
        return sigmas, sigmas * settings["num_train_timesteps"]
    return interpolate(timesteps, table), timesteps


def intervals_of(settings: Settings, sigmas: Array, timesteps: Array, last: float) -> tuple[Interval, ...]:
    """Intervals of float32 noise levels; timesteps are cut to whole numbers, as the reference cuts them."""
    level = flowing if settings["use_flow_sigmas"] else preserving_at
    told = [*timesteps.astype(np.int64), np.int64(0)]
    ends = np.append(sigmas, last).astype(np.float32)
    return chain([level(t, float(sigma)) for t, sigma in zip(told, ends, strict=True)])


def in_log_snr(settings: Settings, intervals: tuple[Interval, ...], solver: Solver, *, whole: str = "") -> Sampler:
    """The sampler of a class that may threshold."""
    return Sampler(
        intervals=intervals,
        solver=solver,
        parametrisation=predicted(settings),
        limit=limit(settings),
        whole=whole,
    )


def last_level(settings: Settings, sigmas: Array, table: Floats) -> float:
    """The end of a schedule that stays above sigma 0: the last level again, or the lowest of training."""
    if chosen_grid(settings) is not None or settings["use_flow_sigmas"]:
        return float(sigmas[-1])
    return float(table[0])


FLOW_SWITCHES: dict[str, Any] = {
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "use_dynamic_shifting": False,
    "time_shift_type": "exponential",
}
LOG_SNR_FIELDS: dict[str, Any] = {
    **BETAS,
    **THRESHOLDING,
    **GRID_SWITCHES,
    "prediction_type": "epsilon",
    "lower_order_final": True,
    "timestep_spacing": "linspace",
    "steps_offset": 0,
}
