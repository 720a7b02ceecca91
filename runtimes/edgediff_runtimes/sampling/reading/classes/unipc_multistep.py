"""UniPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.reading.shared.flow import dynamically_shifted, shifted, stretched
from edgediff_runtimes.sampling.reading.shared.log_snr import (
    FLOW_SWITCHES,
    LOG_SNR_FIELDS,
    intervals_of,
    predicted,
    whole_timesteps,
)
from edgediff_runtimes.sampling.reading.shared.settings import Reading, as_array, choose, limit, steps_of
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
from edgediff_runtimes.sampling.solvers.unipc import UniPc

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array, Floats


def _build(settings: Settings) -> Sampler:
    order = choose(settings, "solver_order", (1, 2, 3, 4))
    if settings["solver_p"] is not None:
        raise SamplerError("solver_p", got=settings["solver_p"], expected="nothing: the predictor is UniP's own")
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    sigmas, timesteps, last = _grid(settings, table)
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


def _grid(settings: Settings, table: Floats) -> tuple[Array, Array, float]:
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
        sigmas = _flow(settings)
        timesteps = sigmas * train
    else:
        timesteps = whole_timesteps(settings, steps_of(settings), last=train)
        sigmas = interpolate(timesteps, table)
        return sigmas, timesteps, 0.0 if ends_clean else float(table[0])
    return sigmas, timesteps, 0.0 if ends_clean else float(sigmas[-1])


def _flow(settings: Settings) -> Array:
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


_FIELDS: dict[str, Any] = {
    **LOG_SNR_FIELDS,
    **FLOW_SWITCHES,
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

READING = Reading(_FIELDS, _build, frozenset({"sigmas", "mu"}))
