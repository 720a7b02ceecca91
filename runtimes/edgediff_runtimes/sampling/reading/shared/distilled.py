"""Timesteps of distilled models: LCM and TCD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.reading.shared.discrete_time import DDIM_FIELDS
from edgediff_runtimes.sampling.reading.shared.settings import steps_of, whole_custom

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


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
    steps, left = (
        steps_of(settings, most=original, why="the `original_inference_steps` of its config"),
        int(original * strength),
    )
    if steps > left:
        hint = f"take a strength of at least {steps / original:.3g}, or fewer steps"
        raise SamplerError("strength", got=strength, expected=f"one that leaves {steps} of {original} steps", hint=hint)
    origin = (np.arange(1, left + 1) * (train // original) - 1)[::-1]
    chosen = np.floor(np.linspace(0, left, num=steps, endpoint=False)).astype(np.int64)
    return [int(t) for t in origin[chosen]]


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
