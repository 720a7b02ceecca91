"""DDPM, with fixed and learned variances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.reading.shared.discrete_time import DDIM_FIELDS, level_at, spaced_timesteps
from edgediff_runtimes.sampling.reading.shared.settings import (
    PREDICTIONS,
    Reading,
    choose,
    limit,
    parametrisation,
    steps_of,
    whole_custom,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.solvers.ddpm import Ddpm

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings

_VARIANCES = (None, "fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range")


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings, most=settings["num_train_timesteps"])
    products = alphas_cumprod(settings)
    if settings["timesteps"] is not None:
        timesteps = whole_custom(settings).tolist()
    else:
        timesteps = spaced_timesteps(settings, steps).tolist()
    ends = [*timesteps[1:], -1]
    # No variance type at all, as in configs of other samplers, is the posterior's own.
    variance = choose(settings, "variance_type", _VARIANCES) or "fixed_small"
    return Sampler(
        intervals=tuple(
            Interval(level_at(products, t), level_at(products, ends[i]), i, len(timesteps))
            for i, t in enumerate(timesteps)
        ),
        # The logarithm of `fixed_small_log` is undone where it is used: the same numbers.
        solver=Ddpm("fixed_small" if variance == "fixed_small_log" else variance),
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
    )


_FIELDS: dict[str, Any] = {
    **{name: value for name, value in DDIM_FIELDS.items() if name != "set_alpha_to_one"},
    "variance_type": "fixed_small",
}

READING = Reading(_FIELDS, _build, frozenset({"timesteps"}))
