"""Levels and timesteps of variance-preserving samplers on whole timesteps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval, preserving
from edgediff_runtimes.sampling.reading.shared.settings import BETAS, THRESHOLDING
from edgediff_runtimes.sampling.schedules.spacing import spaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array


def level_at(products: Array, t: int, final: float = 1.0) -> Level:
    """The level of a timestep; ``final`` is the cumulative product below timestep 0.

    Raises:
        SamplerError: the timestep lies above the training schedule.
    """
    if t >= len(products):
        raise SamplerError(
            "steps_offset",
            got=t,
            expected=f"timesteps below {len(products)}",
            hint="take fewer steps or a smaller `steps_offset`",
        )
    return preserving(np.int64(t), float(products[t]) if t >= 0 else final)


def spaced_timesteps(settings: Settings, steps: int) -> Array:
    """Whole timesteps, descending, of the config's spacing."""
    grid = spaced(
        settings["timestep_spacing"],
        steps=steps,
        train_steps=settings["num_train_timesteps"],
        offset=settings["steps_offset"],
    )
    return grid.round().astype(np.int64)


def strided(products: Array, timesteps: Sequence[int], *, stride: int, final: float) -> tuple[Interval, ...]:
    """Intervals that each end a whole stride below their start."""
    return tuple(
        Interval(level_at(products, t), level_at(products, t - stride, final), i, len(timesteps))
        for i, t in enumerate(timesteps)
    )


def final_product(settings: Settings, products: Array) -> float:
    """The cumulative product below timestep 0."""
    return 1.0 if settings["set_alpha_to_one"] else float(products[0])


def eta_of(settings: Settings, *, default: float) -> float:
    """The share of fresh noise.

    Raises:
        SamplerError: it is not from 0 to 1.
    """
    eta = default if settings["eta"] is None else settings["eta"]
    if not 0 <= eta <= 1:
        raise SamplerError("eta", got=eta, expected="a number from 0 to 1")
    return float(eta)


DDIM_FIELDS: dict[str, Any] = {
    **BETAS,
    **THRESHOLDING,
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "set_alpha_to_one": True,
    "steps_offset": 0,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "rescale_betas_zero_snr": False,
}
