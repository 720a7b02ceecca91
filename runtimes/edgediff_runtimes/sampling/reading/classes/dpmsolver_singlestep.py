"""DPM-Solver and DPM-Solver++, singlestep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgediff_runtimes.sampling.reading.shared.dpm import DPM_FIELDS, algorithm, check_fall, check_kind, solver_type
from edgediff_runtimes.sampling.reading.shared.log_snr import (
    in_log_snr,
    intervals_of,
    noise_levels,
    noisiest,
    whole_timesteps,
)
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, steps_of
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas
from edgediff_runtimes.sampling.solvers.dpm_singlestep import DpmSinglestep, singlestep_orders

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _build(settings: Settings) -> Sampler:
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


_FIELDS: dict[str, Any] = {
    **{
        name: value
        for name, value in DPM_FIELDS.items()
        if name
        not in ("euler_at_final", "use_lu_lambdas", "timestep_spacing", "steps_offset", "rescale_betas_zero_snr")
    },
    "lower_order_final": False,
}

READING = Reading(_FIELDS, _build, frozenset({"timesteps", "mu"}))
