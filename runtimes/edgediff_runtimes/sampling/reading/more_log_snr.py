"""Further samplers that integrate in log-SNR: UniPC, DEIS, DPM-Solver++ singlestep and inversion, SA-Solver."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.reading.flow import dynamically_shifted, shifted, stretched
from edgediff_runtimes.sampling.reading.log_snr import (
    DPM_FIELDS,
    FLOW,
    algorithm,
    check_fall,
    check_kind,
    in_log_snr,
    intervals_of,
    multistep,
    no_grid_on_flow,
    noise_levels,
    noisiest,
    predicted,
    solver_type,
    whole_timesteps,
)
from edgediff_runtimes.sampling.reading.settings import (
    BETAS,
    GRID_SWITCHES,
    THRESHOLDING,
    Reading,
    as_array,
    choose,
    limit,
    steps_of,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import (
    GRIDS,
    chosen_grid,
    interpolate,
    regrid,
    sigma_to_t,
    training_sigmas,
)
from edgediff_runtimes.sampling.solvers.deis import Deis
from edgediff_runtimes.sampling.solvers.dpm_singlestep import DpmSinglestep, singlestep_orders
from edgediff_runtimes.sampling.solvers.sa_solver import SaSolver, middle_tau
from edgediff_runtimes.sampling.solvers.unipc import UniPc

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.tensors import Array, Floats


def _unipc(settings: Settings) -> Sampler:
    order = choose(settings, "solver_order", (1, 2, 3, 4))
    if settings["solver_p"] is not None:
        raise SamplerError("solver_p", got=settings["solver_p"], expected="nothing: the predictor is UniP's own")
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    sigmas, timesteps, last = _unipc_grid(settings, table)
    if not settings["predict_x0"] and last == 0:
        hint = "set `final_sigmas_type=sigma_min`, or `predict_x0=True`"
        raise SamplerError("predict_x0", got=False, expected="a schedule that does not end at sigma 0", hint=hint)
    rule = choose(settings, "solver_type", ("bh1", "bh2", "midpoint", "heun", "logrho"))
    return Sampler(
        intervals=intervals_of(settings, sigmas, timesteps, last),
        solver=UniPc(
            order=order,
            bh1=rule == "bh1",
            data=settings["predict_x0"],
            lower_order_final=settings["lower_order_final"],
            uncorrected=frozenset(settings["disable_corrector"]),
        ),
        parametrisation=predicted(settings),
        limit=limit(settings) if settings["predict_x0"] else None,
    )


def _unipc_grid(settings: Settings, table: Floats) -> tuple[Array, Array, float]:
    """Noise levels, their timesteps, and the end of the schedule."""
    grid, flow = chosen_grid(settings), settings["use_flow_sigmas"]
    ends_clean = choose(settings, "final_sigmas_type", ("zero", "sigma_min")) == "zero"
    if settings["sigmas"] is not None and (grid is not None or not flow):
        raise SamplerError("sigmas", got="sigmas", expected="`use_flow_sigmas=True` beside them, and no other grid")
    if settings["shift_terminal"] is not None and not flow:
        raise SamplerError(
            "shift_terminal", got=settings["shift_terminal"], expected="`use_flow_sigmas=True` beside it"
        )
    if settings["mu"] is not None and not settings["use_dynamic_shifting"]:
        raise SamplerError("mu", got=settings["mu"], expected="`use_dynamic_shifting=True` beside it")
    train = settings["num_train_timesteps"]
    if grid is not None:
        sigmas = regrid(grid, settings, table[::-1], steps_of(settings))
        if flow:
            sigmas = sigmas / (sigmas + 1)
            timesteps: Array = sigmas * train
        else:
            timesteps = sigma_to_t(sigmas, np.log(table))
            timesteps = timesteps.round() if GRIDS[grid] is GRIDS["use_karras_sigmas"] else timesteps
    elif flow:
        sigmas = _unipc_flow(settings)
        timesteps = sigmas * train
    else:
        timesteps = whole_timesteps(settings, steps_of(settings), last=train)
        sigmas = interpolate(timesteps, table)
        return sigmas, timesteps, 0.0 if ends_clean else float(table[0])
    return sigmas, timesteps, 0.0 if ends_clean else float(sigmas[-1])


def _unipc_flow(settings: Settings) -> Array:
    if settings["sigmas"] is not None:
        sigmas = as_array(settings["sigmas"], np.float64)
    else:
        sigmas = np.linspace(1, 1 / settings["num_train_timesteps"], steps_of(settings) + 1)[:-1]
    dynamic = settings["use_dynamic_shifting"]
    sigmas = dynamically_shifted(settings, sigmas) if dynamic else shifted(sigmas, settings["flow_shift"])
    if settings["shift_terminal"]:
        sigmas = stretched(sigmas, settings["shift_terminal"])
    # At sigma 1 there is no signal and log(SNR) is infinite: the reference steps aside by this much.
    aside = 1e-6
    if abs(sigmas[0] - 1) < aside:
        sigmas[0] -= aside
    return sigmas


def _deis(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    order = choose(settings, "solver_order", (1, 2, 3))
    choose(settings, "algorithm_type", ("deis", "dpmsolver", "dpmsolver++"))
    choose(settings, "solver_type", ("logrho", "midpoint", "heun", "bh1", "bh2"))
    table = training_sigmas(alphas_cumprod(settings))
    timesteps = whole_timesteps(settings, steps, last=settings["num_train_timesteps"])
    sigmas, timesteps = noise_levels(settings, table, timesteps)
    return Sampler(
        intervals=intervals_of(settings, sigmas, timesteps, _last(settings, sigmas, table)),
        solver=Deis(order, settings["lower_order_final"]),
        parametrisation=predicted(settings),
        limit=limit(settings),
    )


def _last(settings: Settings, sigmas: Array, table: Floats) -> float:
    """The end of a schedule that stays above sigma 0: the last level again, or the lowest of training."""
    if chosen_grid(settings) is not None or settings["use_flow_sigmas"]:
        return float(sigmas[-1])
    return float(table[0])


def _sa_solver(settings: Settings) -> Sampler:
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
        intervals_of(settings, sigmas, timesteps, _last(settings, sigmas, table)),
        SaSolver(
            predictor_order=predictor,
            corrector_order=corrector,
            tau=settings["tau_func"] or middle_tau,
            data=data,
            lower_order_final=settings["lower_order_final"],
            derived=settings["thresholding"],
        ),
    )


def _dpm_singlestep(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    order = choose(settings, "solver_order", (1, 2, 3))
    kind = algorithm(settings, ("dpmsolver", "dpmsolver++", "sde-dpmsolver++"))
    ends_clean = choose(settings, "final_sigmas_type", ("zero", "sigma_min")) == "zero"
    check_kind(kind, order=order, ends_clean=ends_clean)
    products = alphas_cumprod(settings)
    table = training_sigmas(products)
    spaced = {**settings, "timestep_spacing": "linspace", "steps_offset": 0}
    timesteps = whole_timesteps(spaced, steps, last=noisiest(settings, products))
    sigmas, timesteps = noise_levels(settings, table, timesteps)
    # Groups that do not fit, or a clean end, need a tail of a lower order whatever the config says (as there).
    lower = settings["lower_order_final"] or steps % order != 0 or ends_clean
    last = 0.0 if ends_clean else float(table[0])
    check_fall(kind, sigmas, last)
    return in_log_snr(
        settings,
        intervals_of(settings, sigmas, timesteps, last),
        DpmSinglestep(
            orders=singlestep_orders(steps, order, lower_order_final=lower, ends_clean=ends_clean),
            kind=kind,
            solver_type=solver_type(settings),
            derived=settings["thresholding"],
        ),
    )


def _dpm_inverse(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    order = choose(settings, "solver_order", (1, 2, 3))
    # The SDE variants have no inverse: their noise would have a negative variance on the way up.
    kind = algorithm(settings, ("dpmsolver", "dpmsolver++"))
    products = alphas_cumprod(settings)
    table = training_sigmas(products)
    last = noisiest(settings, products)
    timesteps = whole_timesteps(settings, steps, last=last)[::-1]
    if settings["timestep_spacing"] != "trailing":
        # Forwards the noisiest of n + 1 timesteps is kept and the cleanest left out; backwards it is the reverse.
        timesteps = _from_clean(settings, steps, last)
    sigmas, timesteps = _inverse_levels(settings, table, timesteps)
    end = float(sigmas[-1]) if _is_gridded(settings) else float(table[last - 1])
    _, first = np.unique(timesteps, return_index=True)
    kept = timesteps[np.sort(first)]
    chain = np.append(sigmas, end)[: len(kept) + 1]
    return in_log_snr(
        settings,
        intervals_of(settings, chain[:-1], kept, float(chain[-1])),
        multistep(settings, order=order, kind=kind),
        whole="an inversion starts from the picture itself: pass it as `noise`",
    )


def _is_gridded(settings: Settings) -> bool:
    return chosen_grid(settings) is not None or bool(settings["use_flow_sigmas"])


def _from_clean(settings: Settings, steps: int, last: int) -> Array:
    if settings["timestep_spacing"] == "linspace":
        return np.linspace(0, last - 1, steps + 1).round()[:-1].astype(np.int64)
    return np.asarray(np.arange(steps) * (last // (steps + 1)) + settings["steps_offset"])


def _inverse_levels(settings: Settings, table: Floats, timesteps: Array) -> tuple[Array, Array]:
    name = chosen_grid(settings)
    if name is None:
        return noise_levels({**settings, "use_dynamic_shifting": False}, table, timesteps)
    no_grid_on_flow(settings, name)
    sigmas = regrid(name, settings, table, len(timesteps))
    told = sigma_to_t(sigmas, np.log(table))
    return sigmas, told.round() if name == "use_karras_sigmas" else told


_SHARED: dict[str, Any] = {
    **BETAS,
    **THRESHOLDING,
    **GRID_SWITCHES,
    "prediction_type": "epsilon",
    "lower_order_final": True,
    "timestep_spacing": "linspace",
    "steps_offset": 0,
}
_DEIS_FIELDS: dict[str, Any] = {**_SHARED, **FLOW, "solver_order": 2, "algorithm_type": "deis", "solver_type": "logrho"}
_UNIPC_FIELDS: dict[str, Any] = {
    **_SHARED,
    **FLOW,
    "solver_order": 2,
    "predict_x0": True,
    "solver_type": "bh2",
    "disable_corrector": [],
    "solver_p": None,
    "final_sigmas_type": "zero",
    "rescale_betas_zero_snr": False,
    "sigma_min": None,
    "sigma_max": None,
    "shift_terminal": None,
}
_SA_FIELDS: dict[str, Any] = {
    **_SHARED,
    "use_flow_sigmas": False,
    "flow_shift": 1.0,
    "predictor_order": 2,
    "corrector_order": 2,
    "tau_func": None,
    "algorithm_type": "data_prediction",
    "lambda_min_clipped": -math.inf,
    "variance_type": None,
}
_SINGLESTEP_FIELDS: dict[str, Any] = {
    **{
        name: value
        for name, value in DPM_FIELDS.items()
        if name
        not in ("euler_at_final", "use_lu_lambdas", "timestep_spacing", "steps_offset", "rescale_betas_zero_snr")
    },
    "lower_order_final": False,
}
_INVERSE_FIELDS: dict[str, Any] = {
    name: value
    for name, value in DPM_FIELDS.items()
    if name
    not in (
        "use_lu_lambdas",
        "final_sigmas_type",
        "rescale_betas_zero_snr",
        "use_dynamic_shifting",
        "time_shift_type",
    )
}

READINGS: dict[str, Reading] = {
    "UniPCMultistepScheduler": Reading(_UNIPC_FIELDS, _unipc, frozenset({"sigmas", "mu"})),
    "DEISMultistepScheduler": Reading(_DEIS_FIELDS, _deis, frozenset({"mu"})),
    "SASolverScheduler": Reading(_SA_FIELDS, _sa_solver),
    "DPMSolverSinglestepScheduler": Reading(_SINGLESTEP_FIELDS, _dpm_singlestep, frozenset({"timesteps", "mu"})),
    "DPMSolverMultistepInverseScheduler": Reading(_INVERSE_FIELDS, _dpm_inverse),
}
