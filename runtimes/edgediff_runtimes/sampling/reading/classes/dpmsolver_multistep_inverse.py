"""DPM-Solver from a picture to its noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.reading.shared.dpm import DPM_FIELDS, algorithm, multistep
from edgediff_runtimes.sampling.reading.shared.log_snr import (
    in_log_snr,
    intervals_of,
    no_grid_on_flow,
    noise_levels,
    noisiest,
    whole_timesteps,
)
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, steps_of
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.sigmas import chosen_grid, regrid, sigma_to_t, training_sigmas

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.sampler import Sampler
    from edgediff_runtimes.tensors import Array, Floats


def _build(settings: Settings) -> Sampler:
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
    sigmas, timesteps = _levels(settings, table, timesteps)
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


def _levels(settings: Settings, table: Floats, timesteps: Array) -> tuple[Array, Array]:
    name = chosen_grid(settings)
    if name is None:
        return noise_levels({**settings, "use_dynamic_shifting": False}, table, timesteps)
    no_grid_on_flow(settings, name)
    sigmas = regrid(name, settings, table, len(timesteps))
    told = sigma_to_t(sigmas, np.log(table))
    return sigmas, told.round() if name == "use_karras_sigmas" else told


_FIELDS: dict[str, Any] = {
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

READING = Reading(_FIELDS, _build)
