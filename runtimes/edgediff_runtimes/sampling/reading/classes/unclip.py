"""UnCLIP's DDPM."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain
from edgediff_runtimes.sampling.reading.shared.discrete_time import level_at
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, limit, parametrisation, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod, make_betas
from edgediff_runtimes.sampling.solvers.ddpm import Ddpm

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    train, steps = settings["num_train_timesteps"], steps_of(settings, most=settings["num_train_timesteps"])
    choose(settings, "beta_schedule", ("squaredcos_cap_v2",))
    variance = choose(settings, "variance_type", ("fixed_small_log", "learned_range"))
    few = 2
    if steps < few:
        raise SamplerError("steps", got=steps, expected="at least 2, the first and the last timestep")
    products = alphas_cumprod({**settings, "trained_betas": None})
    timesteps = (np.arange(steps) * ((train - 1) / (steps - 1))).round()[::-1].astype(np.int64).tolist()
    intervals = chain([level_at(products, t) for t in (*timesteps, -1)])
    # The reference takes a stride of 1 from the table of betas, which is finer than float32 products near 1 are.
    betas = make_betas({**settings, "trained_betas": None})
    steps_of_one = {i for i, t in enumerate(timesteps) if intervals[i].end.t.item() == t - 1}
    return Sampler(
        intervals=tuple(
            replace(v, extra=float(betas[timesteps[i]])) if i in steps_of_one else v for i, v in enumerate(intervals)
        ),
        solver=Ddpm("learned_range" if variance == "learned_range" else "fixed_small"),
        parametrisation=parametrisation(settings, ("epsilon", "sample")),
        limit=limit(settings),
    )


_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "variance_type": "fixed_small_log",
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "prediction_type": "epsilon",
    "beta_schedule": "squaredcos_cap_v2",
}

READING = Reading(_FIELDS, _build)
