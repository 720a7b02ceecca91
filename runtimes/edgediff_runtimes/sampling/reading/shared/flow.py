"""Levels of flow-matching models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import flowing
from edgediff_runtimes.sampling.reading.shared.settings import GRID_SWITCHES, as_array, choose, steps_of
from edgediff_runtimes.sampling.schedules.sigmas import chosen_grid, regrid
from edgediff_runtimes.sampling.schedules.spacing import check_descending

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array, Floats


def shifted(sigmas: Array, shift: float) -> Array:
    """The resolution-dependent shift of Esser et al. 2024, equation 23."""
    return np.asarray(shift * sigmas / (1 + (shift - 1) * sigmas))


def dynamically_shifted(settings: Settings, sigmas: Array) -> Array:
    """The shift of FLUX-like models, by a ``mu`` that grows with the picture.

    Raises:
        SamplerError: ``mu`` is missing.
    """
    mu = settings["mu"]
    if mu is None:
        hint = "give `mu`, computed from the picture's size as the model's pipeline does"
        raise SamplerError("mu", got=None, expected="a number, for `use_dynamic_shifting` is on", hint=hint)
    kind = choose(settings, "time_shift_type", ("exponential", "linear"))
    factor = math.exp(mu) if kind == "exponential" else mu
    return np.asarray(factor / (factor + (1 / sigmas - 1)))


def stretched(sigmas: Array, terminal: float) -> Array:
    """Stretch a grid so that its last level is ``terminal``.

    Raises:
        SamplerError: the grid is its noisiest level alone.
    """
    rest = 1 - sigmas
    if rest[-1] == 0:
        raise SamplerError("shift_terminal", got=terminal, expected="a grid of at least 2 steps")
    return np.asarray(1 - rest / (rest[-1] / (1 - terminal)))


def _training_ends(settings: Settings) -> tuple[float, float]:
    """The noisiest and the cleanest training level, float32."""
    train = settings["num_train_timesteps"]
    ends = np.array([train, 1], np.float32) / np.float32(train)
    if not settings.get("use_dynamic_shifting"):
        shift = settings["shift"]
        ends = np.float32(shift) * ends / (np.float32(1) + np.float32(shift - 1) * ends)
    return float(ends[0]), float(ends[1])


def _grid(settings: Settings) -> tuple[Floats, Floats | None]:
    """Noise levels without their end, float32, and custom timesteps."""
    timesteps, train = settings["timesteps"], settings["num_train_timesteps"]
    told = None if timesteps is None else as_array(timesteps, np.float32)
    if settings["sigmas"] is not None:
        sigmas: Array = as_array(settings["sigmas"], np.float32)
        if settings["steps"] not in (None, len(sigmas)) or (told is not None and len(told) != len(sigmas)):
            raise SamplerError("sigmas", got=len(sigmas), expected="as many levels as steps and as timesteps, if given")
    elif told is not None:
        steps_of(settings)
        check_descending(told.tolist(), train_steps=train, inclusive=True)
        sigmas = told / train
    else:
        first, last = _training_ends(settings)
        sigmas = np.linspace(first * train, last * train, steps_of(settings)) / train
    if settings.get("use_dynamic_shifting"):
        sigmas = dynamically_shifted(settings, sigmas)
    else:
        sigmas = shifted(sigmas, settings["shift"])
    if settings.get("shift_terminal"):
        sigmas = stretched(sigmas, settings["shift_terminal"])
    name = chosen_grid({**settings, "timesteps": None})
    if name is not None:
        sigmas = regrid(name, settings, sigmas, len(sigmas))
    return sigmas.astype(np.float32), told


def flow_levels(settings: Settings) -> list[Level]:
    """The levels of a config with their end, and what the network is told at each."""
    sigmas, told = _grid(settings)
    train = np.float32(settings["num_train_timesteps"])
    if settings.get("invert_sigmas"):
        # Such a network counts time from noise to data; the levels stay what they are.
        told = (np.float32(1) - sigmas) * train
    told = sigmas * train if told is None else told
    ends = np.append(sigmas, np.float32(0))
    return [flowing(t, float(sigma)) for t, sigma in zip([*told, np.float32(0)], ends, strict=True)]


def check_flow(settings: Settings) -> None:
    """Refuse ``mu`` where the shift is static.

    Raises:
        SamplerError: as said.
    """
    if settings["mu"] is not None and not settings.get("use_dynamic_shifting"):
        raise SamplerError("mu", got=settings["mu"], expected="`use_dynamic_shifting=True` beside it")


FLOW_FIELDS: dict[str, Any] = {
    **GRID_SWITCHES,
    "num_train_timesteps": 1000,
    "shift": 1.0,
    "use_dynamic_shifting": False,
    # The next four are what a pipeline computes `mu` from.
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "invert_sigmas": False,
    "shift_terminal": None,
    "time_shift_type": "exponential",
}
FLOW_TAKES = frozenset({"timesteps", "sigmas", "mu"})
SHIFT_ONLY: dict[str, Any] = {"num_train_timesteps": 1000, "shift": 1.0}
