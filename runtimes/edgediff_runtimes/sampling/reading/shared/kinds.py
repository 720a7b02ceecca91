"""Checks of a config's values that do not depend on its class: kinds, finite numbers, lists, ranges."""

from __future__ import annotations

import math
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.untrusted.bounds import TRAIN_TIMESTEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fields that count something, with the least they may be.
_WHOLE: dict[str, float] = {
    "num_train_timesteps": 1,
    "original_inference_steps": 1,
    "steps_offset": -math.inf,
    "solver_order": 1,
    "predictor_order": 1,
    "corrector_order": 1,
    "correct_steps": 0,
    "n_grid": 1,
    "num_policy_substeps": 1,
    "stages": 1,
    "jump_length": 1,
    "jump_n_sample": 1,
    "num_vec_classes": 2,
    "mask_token_id": 0,
    "stage_index": 0,
    "noise_sampler_seed": -math.inf,
}
# A seed makes no memory; all others are at most as many as training timesteps.
_UNBOUNDED = frozenset({"noise_sampler_seed"})
# Numbers that are not there unless they are given.
_NUMBERS = frozenset({"mu", "eta", "sigma_min", "sigma_max", "shift_terminal", "intermediate_timesteps"})
# Numbers that may be null where the field that would use them is off, as in configs of diffusers.
_OPTIONAL = frozenset(
    {
        "beta_start",
        "beta_end",
        "dynamic_thresholding_ratio",
        "sample_max_value",
        "clip_sample_range",
        "base_shift",
        "max_shift",
        "base_image_seq_len",
        "max_image_seq_len",
    }
)
_ABOVE_ZERO = frozenset({"rho", "sigma_min", "sigma_max", "scaler", "gamma", "shift", "flow_shift", "snr_shift_scale"})
# Both ends may be taken.
_RANGES = {"beta_start": (0, 1), "beta_end": (0, 1), "s": (0, math.inf), "sampling_eps": (0, 1)}
_ARRAYS = ("original_image", "mask")
_LISTS = ("timesteps", "sigmas", "trained_betas")


def check_kinds(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse values that mean nothing, whatever the class: a text for a number, NaN, timesteps that do not fall.

    Args:
        settings: All fields, keywords and what a caller may give beside them.
        defaults: The fields and keywords of the class with their defaults.

    Raises:
        SamplerError: as said; the sentence names the field.
    """
    for name in {**defaults, "mu": None, "eta": None}:
        expected = _expected(name, settings[name], defaults.get(name))
        if expected is not None:
            raise SamplerError(name, got=settings[name], expected=expected)
    for name in _LISTS:
        given = settings.get(name)
        count = given.size if isinstance(given, np.ndarray) else len(given) if isinstance(given, (list, tuple)) else 0
        if count > TRAIN_TIMESTEPS.most:
            raise SamplerError(name, got=f"{count:,} numbers", expected=TRAIN_TIMESTEPS.expected)
        if settings.get(name) is not None and not _is_list(settings[name]):
            raise SamplerError(name, got=settings[name], expected="a list of finite numbers")
    betas = settings.get("trained_betas")
    if betas is not None and not all(0 <= beta <= 1 for beta in betas):
        raise SamplerError("trained_betas", got=list(betas), expected="numbers from 0 to 1")
    if settings["timesteps"] is not None and not all(a > b for a, b in pairwise(settings["timesteps"])):
        raise SamplerError("timesteps", got=list(settings["timesteps"]), expected="numbers that fall")


def whole_numbers(settings: Mapping[str, Any]) -> dict[str, int]:
    """The fields that count something, as ``int``: JSON may write 1000 as 1000.0, which counts and indexes nothing."""
    return {name: int(value) for name in _WHOLE if isinstance(value := settings.get(name), float)}


def _expected(name: str, value: object, default: object) -> str | None:
    """What was expected of a value that does not fit, or None where it fits."""
    is_number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if value is None and not (is_number and name not in _OPTIONAL) and not isinstance(default, list):
        return None
    if name in _WHOLE or name in _NUMBERS or is_number:
        return _expected_number(name, value, unbounded=isinstance(default, float) and math.isinf(default))
    fits, expected = True, ""  # an array or a pair is looked at by its own class
    if isinstance(default, bool):
        fits, expected = isinstance(value, (bool, np.bool_)), "true or false"
    elif isinstance(default, str):
        fits, expected = isinstance(value, str), "a text"
    elif isinstance(default, list):
        fits, expected = isinstance(value, (list, tuple)) and (not value or _is_list(value)), "a list of numbers"
    elif name == "tau_func":
        fits, expected = callable(value), "a function of the timestep, which only Python can give"
    elif name in _ARRAYS:
        fits, expected = np.asarray(value).dtype.kind in "iuf", "an array of numbers"
    return None if fits else expected


def _expected_number(name: str, value: object, *, unbounded: bool) -> str | None:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return "a number"
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return "a number that a double holds"
    if not math.isfinite(value) and (math.isnan(value) or not unbounded):
        return "a finite number"
    return _expected_range(name, value)


def _expected_range(name: str, value: float | np.number[Any]) -> str | None:
    if name in _WHOLE and value != int(value):
        return "a whole number"
    if name in _WHOLE and value < _WHOLE[name]:
        return f"a whole number of at least {_WHOLE[name]}"
    if name in _WHOLE and name not in _UNBOUNDED and abs(int(value)) > TRAIN_TIMESTEPS.most:
        return TRAIN_TIMESTEPS.expected
    if name in _ABOVE_ZERO and value <= 0:
        return "a number above 0"
    low, high = _RANGES.get(name, (-math.inf, math.inf))
    if not low <= value <= high:
        return f"a number from {low} to {high}" if math.isfinite(high) else f"a number of at least {low}"
    return None


def _is_list(value: object) -> bool:
    """Whether it is one row of finite numbers, at least one."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        return False
    numbers = value.ravel().tolist() if isinstance(value, np.ndarray) and value.ndim == 1 else value
    return len(numbers) > 0 and all(_expected_number("", number, unbounded=False) is None for number in numbers)
