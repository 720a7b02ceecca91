"""Variance-preserving samplers on whole timesteps: DDIM, DDPM, LCM and their kin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval, preserving
from edgediff_runtimes.sampling.reading.settings import (
    BETAS,
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
from edgediff_runtimes.sampling.schedules.spacing import spaced
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.sampling.solvers.ddpm import Ddpm
from edgediff_runtimes.sampling.solvers.renoise import Renoise, TimestepBoundary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.tensors import Array

PREDICTIONS = ("epsilon", "sample", "v_prediction")
VARIANCES = (None, "fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range")


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


def _ddim(settings: Settings) -> Sampler:
    steps = steps_of(settings, most=settings["num_train_timesteps"])
    products = alphas_cumprod(settings)
    timesteps = spaced_timesteps(settings, steps).tolist()
    stride = settings["num_train_timesteps"] // steps
    return Sampler(
        intervals=strided(products, timesteps, stride=stride, final=final_product(settings, products)),
        solver=Ddim(eta=eta_of(settings, default=0.0)),
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
    )


def eta_of(settings: Settings, *, default: float) -> float:
    """The share of fresh noise.

    Raises:
        SamplerError: it is not from 0 to 1.
    """
    eta = default if settings["eta"] is None else settings["eta"]
    if not 0 <= eta <= 1:
        raise SamplerError("eta", got=eta, expected="a number from 0 to 1")
    return float(eta)


def _ddpm(settings: Settings) -> Sampler:
    steps = steps_of(settings, most=settings["num_train_timesteps"])
    products = alphas_cumprod(settings)
    if settings["timesteps"] is not None:
        timesteps = whole_custom(settings).tolist()
    else:
        timesteps = spaced_timesteps(settings, steps).tolist()
    ends = [*timesteps[1:], -1]
    # No variance type at all, as in configs of other samplers, is the posterior's own.
    variance = choose(settings, "variance_type", VARIANCES) or "fixed_small"
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


def _lcm(settings: Settings) -> Sampler:
    products = alphas_cumprod(settings)
    timesteps = distilled_timesteps(settings)
    levels = [level_at(products, t) for t in timesteps]
    clean = preserving(np.int64(0), 1.0)
    return Sampler(
        intervals=tuple(
            Interval(level, levels[i + 1] if i + 1 < len(levels) else clean, i, len(levels))
            for i, level in enumerate(levels)
        ),
        solver=Renoise(TimestepBoundary(settings["timestep_scaling"])),
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
    )


def distilled_timesteps(settings: Settings) -> list[int]:
    """Timesteps out of those that a distilled model was trained on (Luo et al. 2023), descending.

    Raises:
        SamplerError: more steps than the model was distilled with, or than the strength leaves of those.
    """
    train, original = settings["num_train_timesteps"], settings["original_inference_steps"]
    strength = settings["strength"]
    if not 0 < strength <= 1:
        raise SamplerError("strength", got=strength, expected="a number above 0 and up to 1")
    if settings["timesteps"] is not None:
        if strength != 1:
            raise SamplerError("strength", got=strength, expected="1 beside custom timesteps, which say it themselves")
        steps_of(settings)
        return [int(t) for t in whole_custom(settings)]
    if not 1 <= original <= train:
        raise SamplerError("original_inference_steps", got=original, expected=f"1 to {train}")
    steps, left = steps_of(settings, most=original), int(original * strength)
    if steps > left:
        hint = f"take a strength of at least {steps / original:.3g}, or fewer steps"
        raise SamplerError("strength", got=strength, expected=f"one that leaves {steps} of {original} steps", hint=hint)
    origin = (np.arange(1, left + 1) * (train // original) - 1)[::-1]
    chosen = np.floor(np.linspace(0, left, num=steps, endpoint=False)).astype(np.int64)
    return [int(t) for t in origin[chosen]]


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
_DDPM_FIELDS: dict[str, Any] = {
    **{name: value for name, value in DDIM_FIELDS.items() if name != "set_alpha_to_one"},
    "variance_type": "fixed_small",
}
LCM_FIELDS: dict[str, Any] = {
    **DDIM_FIELDS,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "original_inference_steps": 50,
    "timestep_scaling": 10.0,
}
# How much of the schedule that the model was distilled on is used, all of it in any number of steps.
LCM_KEYWORDS: dict[str, Any] = {"strength": 1.0}

READINGS: dict[str, Reading] = {
    "DDIMScheduler": Reading(DDIM_FIELDS, _ddim, frozenset({"eta"})),
    "DDIMParallelScheduler": Reading(DDIM_FIELDS, _ddim, frozenset({"eta"})),
    "DDPMScheduler": Reading(_DDPM_FIELDS, _ddpm, frozenset({"timesteps"})),
    "DDPMParallelScheduler": Reading(_DDPM_FIELDS, _ddpm, frozenset({"timesteps"})),
    "LCMScheduler": Reading(LCM_FIELDS, _lcm, frozenset({"timesteps"}), LCM_KEYWORDS),
}
