"""Variance-preserving samplers that integrate in log-SNR: DPM-Solver++ and its kin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing, preserving_at
from edgediff_runtimes.sampling.reading.settings import (
    BETAS,
    GRID_SWITCHES,
    THRESHOLDING,
    Reading,
    choose,
    limit,
    parametrisation,
    steps_of,
    whole_custom,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import (
    chosen_grid,
    interpolate,
    regrid,
    sigma_to_t,
    training_sigmas,
)
from edgediff_runtimes.sampling.schedules.spacing import spaced
from edgediff_runtimes.sampling.solvers.dpm_multistep import DpmMultistep
from edgediff_runtimes.sampling.solvers.exponential import NOISE_KINDS, SDE_KINDS

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.prediction import Parametrisation
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.sampling.solver import Solver
    from edgediff_runtimes.tensors import Array, Floats

PREDICTIONS = ("epsilon", "sample", "v_prediction")


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


def flow_shift(settings: Settings) -> float:
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


def flow_grid(settings: Settings, steps: int) -> Array:
    """Shifted flow levels, evenly spaced before the shift, float64."""
    shift = flow_shift(settings)
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
        sigmas = flow_grid(settings, steps)
        return sigmas, sigmas * settings["num_train_timesteps"]
    return interpolate(timesteps, table), timesteps


def intervals_of(settings: Settings, sigmas: Array, timesteps: Array, last: float) -> tuple[Interval, ...]:
    """Intervals of float32 noise levels; timesteps are cut to whole numbers, as the reference cuts them."""
    level = flowing if settings["use_flow_sigmas"] else preserving_at
    told = [*timesteps.astype(np.int64), np.int64(0)]
    ends = np.append(sigmas, last).astype(np.float32)
    return chain([level(t, float(sigma)) for t, sigma in zip(told, ends, strict=True)])


def solver_type(settings: Settings) -> str:
    """``midpoint`` or ``heun``; names of other solvers' rules mean ``midpoint``, as in the reference."""
    name = choose(settings, "solver_type", ("midpoint", "heun", "logrho", "bh1", "bh2"))
    return "heun" if name == "heun" else "midpoint"


def algorithm(settings: Settings, kinds: tuple[str, ...]) -> str:
    """The kind of exponential integrator; ``deis`` means ``dpmsolver++``, as in the reference."""
    name = choose(settings, "algorithm_type", (*kinds, "deis"))
    return "dpmsolver++" if name == "deis" else str(name)


def _dpm_multistep(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    order = choose(settings, "solver_order", (1, 2, 3))
    kind = algorithm(settings, ("dpmsolver", "dpmsolver++", *SDE_KINDS))
    ends_clean = choose(settings, "final_sigmas_type", ("zero", "sigma_min")) == "zero"
    check_kind(kind, order=order, ends_clean=ends_clean)
    products = alphas_cumprod(settings, keep_finite=True)
    table = training_sigmas(products)
    timesteps = whole_timesteps(settings, steps, last=noisiest(settings, products))
    rounded = settings["beta_schedule"] != "squaredcos_cap_v2"
    sigmas, timesteps = noise_levels(settings, table, timesteps, rounded=rounded)
    last = 0.0 if ends_clean else float(table[0])
    check_fall(kind, sigmas, last)
    return in_log_snr(
        settings, intervals_of(settings, sigmas, timesteps, last), multistep(settings, order=order, kind=kind)
    )


def multistep(
    settings: Settings, *, order: int, kind: str, brownian: tuple[float, float] | None = None
) -> DpmMultistep:
    """The multistep solver of a config's rules; classes without thresholding have nothing to derive the noise from."""
    return DpmMultistep(
        order=order,
        kind=kind,
        solver_type=solver_type(settings),
        lower_order_final=settings["lower_order_final"],
        euler_at_final=settings["euler_at_final"],
        derived=settings.get("thresholding", False),
        brownian=brownian,
    )


def in_log_snr(settings: Settings, intervals: tuple[Interval, ...], solver: Solver, *, whole: str = "") -> Sampler:
    """The sampler of a class that may threshold."""
    return Sampler(
        intervals=intervals,
        solver=solver,
        parametrisation=predicted(settings),
        limit=limit(settings),
        whole=whole,
    )


def check_kind(kind: str, *, order: int, ends_clean: bool) -> None:
    """Refuse noise prediction down to sigma 0, where noise says nothing, and orders that an SDE variant lacks.

    Raises:
        SamplerError: as said.
    """
    if kind in NOISE_KINDS and ends_clean:
        hint = "set `final_sigmas_type=sigma_min`, or take `dpmsolver++`"
        raise SamplerError("algorithm_type", got=kind, expected="a schedule that does not end at sigma 0", hint=hint)
    highest = 2
    if kind == "sde-dpmsolver" and order > highest:
        hint = "take `solver_order=2`, or `sde-dpmsolver++`"
        raise SamplerError("solver_order", got=order, expected="1 or 2 with `sde-dpmsolver`", hint=hint)


def check_fall(kind: str, sigmas: Array, last: float) -> None:
    """Refuse an SDE whose schedule ends above its last level: its noise would have a negative variance.

    Raises:
        SamplerError: as said.
    """
    if kind in SDE_KINDS and last > np.float32(sigmas[-1]):
        hint = "set `final_sigmas_type=zero`, or take fewer steps"
        raise SamplerError("final_sigmas_type", got="sigma_min", expected="an end below the last level", hint=hint)


FLOW: dict[str, Any] = {
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "use_dynamic_shifting": False,
    "time_shift_type": "exponential",
}
DPM_FIELDS: dict[str, Any] = {
    **BETAS,
    **THRESHOLDING,
    **GRID_SWITCHES,
    **FLOW,
    "solver_order": 2,
    "prediction_type": "epsilon",
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
    "use_lu_lambdas": False,
    "final_sigmas_type": "zero",
    "lambda_min_clipped": -math.inf,
    "variance_type": None,
    "timestep_spacing": "linspace",
    "steps_offset": 0,
    "rescale_betas_zero_snr": False,
}

READINGS: dict[str, Reading] = {
    "DPMSolverMultistepScheduler": Reading(DPM_FIELDS, _dpm_multistep, frozenset({"timesteps", "mu"})),
}
