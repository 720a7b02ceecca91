"""DPM-Solver and DPM-Solver++, multistep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgediff_runtimes.sampling.reading.shared.dpm import DPM_FIELDS, algorithm, check_fall, check_kind, multistep
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
from edgediff_runtimes.sampling.solvers.exponential import SDE_KINDS

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler


def _build(settings: Settings) -> Sampler:
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


READING = Reading(DPM_FIELDS, _build, frozenset({"timesteps", "mu"}))
