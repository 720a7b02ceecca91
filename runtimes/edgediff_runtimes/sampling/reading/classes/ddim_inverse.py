"""DDIM from a picture to its noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import Interval, preserving
from edgediff_runtimes.sampling.reading.shared.discrete_time import DDIM_FIELDS, final_product, level_at
from edgediff_runtimes.sampling.reading.shared.settings import (
    PREDICTIONS,
    Reading,
    choose,
    limit,
    parametrisation,
    steps_of,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.spacing import spaced
from edgediff_runtimes.sampling.solvers.ddim import Ddim

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    train, steps = settings["num_train_timesteps"], steps_of(settings, most=settings["num_train_timesteps"])
    spacing = choose(settings, "timestep_spacing", ("leading", "trailing"))
    products, stride = alphas_cumprod(settings), train // steps
    grid = spaced(spacing, steps=steps, train_steps=train, offset=settings["steps_offset"])
    initial = final_product(settings, products)
    intervals = []
    for i, t in enumerate(int(t) for t in grid[::-1]):
        below = min(t - stride, train - 1)
        start = preserving(np.int64(t), float(products[below]) if below >= 0 else initial)
        intervals.append(Interval(start, level_at(products, t), i, steps))
    return Sampler(
        intervals=tuple(intervals),
        solver=Ddim(),
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
        whole="an inversion starts from the picture itself: pass it as `noise`",
    )


_FIELDS: dict[str, Any] = {
    name: value
    for name, value in DDIM_FIELDS.items()
    if name not in ("thresholding", "dynamic_thresholding_ratio", "sample_max_value")
}

READING = Reading(_FIELDS, _build)
