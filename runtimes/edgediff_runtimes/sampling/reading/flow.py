"""Samplers of flow-matching models: Euler, Heun and few-step variants on straight paths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing
from edgediff_runtimes.sampling.prediction import Flow, InvertedFlow
from edgediff_runtimes.sampling.reading.settings import GRID_SWITCHES, Reading, as_array, choose, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.schedules.sigmas import chosen_grid, regrid
from edgediff_runtimes.sampling.schedules.spacing import check_descending
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.sampling.solvers.flow_ancestral import FlowAncestral
from edgediff_runtimes.sampling.solvers.heun import Heun
from edgediff_runtimes.sampling.solvers.renoise import Renoise

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.settings import Settings
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


def _levels(settings: Settings) -> list[Level]:
    sigmas, told = _grid(settings)
    train = np.float32(settings["num_train_timesteps"])
    if settings.get("invert_sigmas"):
        # Such a network counts time from noise to data; the levels stay what they are.
        told = (np.float32(1) - sigmas) * train
    told = sigmas * train if told is None else told
    ends = np.append(sigmas, np.float32(0))
    return [flowing(t, float(sigma)) for t, sigma in zip([*told, np.float32(0)], ends, strict=True)]


def _flow_euler(settings: Settings) -> Sampler:
    check_flow(settings)
    inverted = settings["invert_sigmas"]
    if inverted and settings["stochastic_sampling"]:
        raise SamplerError("stochastic_sampling", got=True, expected="False beside `invert_sigmas`")
    return Sampler(
        intervals=chain(_levels(settings)),
        solver=Renoise() if settings["stochastic_sampling"] else Ddim(),
        parametrisation=InvertedFlow() if inverted else Flow(),
        fractional_strength=True,
    )


def check_flow(settings: Settings) -> None:
    """Refuse ``mu`` where the shift is static.

    Raises:
        SamplerError: as said.
    """
    if settings["mu"] is not None and not settings.get("use_dynamic_shifting"):
        raise SamplerError("mu", got=settings["mu"], expected="`use_dynamic_shifting=True` beside it")


def _flow_heun(settings: Settings) -> Sampler:
    return Sampler(chain(_levels(settings)), Heun(), Flow(), fractional_strength=True)


def _flow_lcm(settings: Settings) -> Sampler:
    check_flow(settings)
    if settings["invert_sigmas"]:
        raise SamplerError("invert_sigmas", got=True, expected="False: consistency steps go from noise to data")
    if settings["scale_factors"]:
        hint = "sample at the final size, without `scale_factors`"
        raise SamplerError(
            "scale_factors", got=settings["scale_factors"], expected="none: sizes stay as they are", hint=hint
        )
    return Sampler(chain(_levels(settings)), Renoise(), Flow(), fractional_strength=True)


def _ltx_ancestral(settings: Settings) -> Sampler:
    train = np.float32(settings["num_train_timesteps"])
    given = settings["sigmas"]
    if given is not None:
        sigmas = as_array(given, np.float32)
        if settings["steps"] not in (None, len(sigmas) - 1):
            raise SamplerError("steps", got=settings["steps"], expected=f"{len(sigmas) - 1}, one less than sigmas")
        levels = [flowing(s * train, float(s)) for s in sigmas]
    else:
        levels = _levels({**settings, "shift": 1.0})
    return Sampler(chain(levels), FlowAncestral(settings["eta"], settings["s_noise"]), Flow(), fractional_strength=True)


def _flow_map(settings: Settings) -> Sampler:
    train = settings["num_train_timesteps"]
    if settings["sigmas"] is not None:
        sigmas: Array = as_array(settings["sigmas"], np.float64)
    elif settings["timesteps"] is not None:
        custom = as_array(settings["timesteps"], np.float64)
        check_descending(custom.tolist(), train_steps=train, inclusive=True)
        sigmas = custom / train
    else:
        sigmas = np.linspace(1.0, 0.0, steps_of(settings) + 1)[:-1]
    if settings["steps"] not in (None, len(sigmas)):
        raise SamplerError("steps", got=settings["steps"], expected=f"{len(sigmas)}, as many as levels are given")
    sigmas = np.append(shifted(sigmas, settings["shift"]), 0.0)
    return Sampler(chain([flowing(s * train, float(s)) for s in sigmas]), Ddim(), Flow(), fractional_strength=True)


def _minimax(settings: Settings) -> Sampler:
    few = 2
    if settings["sigmas"] is not None:
        sigmas: Array = as_array(settings["sigmas"], np.float32)
        if len(sigmas) < few or not np.all(np.diff(sigmas) < 0) or sigmas[-1] != 0:
            raise SamplerError("sigmas", got=list(sigmas), expected="numbers that fall to 0")
    else:
        points = steps_of(settings)
        if points < few:
            raise SamplerError("steps", got=points, expected="at least 2: this class counts the grid's points")
        shift, base = np.float32(settings["shift"]), linspace32(1.0, 0.0, points)
        sigmas = shift * base / (np.float32(1) + (shift - np.float32(1)) * base)
    levels = [flowing(np.float32(1) - s, float(s)) for s in sigmas]
    return Sampler(chain(levels), Ddim(), InvertedFlow(), fractional_strength=True)


_FLOW_FIELDS: dict[str, Any] = {
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
_TAKES = frozenset({"timesteps", "sigmas", "mu"})

_LCM_FIELDS: dict[str, Any] = {**_FLOW_FIELDS, "scale_factors": None, "upscale_mode": "bicubic"}
_LTX_FIELDS: dict[str, Any] = {"num_train_timesteps": 1000, "eta": 1.0, "s_noise": 1.0}
_SHIFT_ONLY: dict[str, Any] = {"num_train_timesteps": 1000, "shift": 1.0}

READINGS: dict[str, Reading] = {
    "FlowMatchHeunDiscreteScheduler": Reading(_SHIFT_ONLY, _flow_heun),
    "FlowMatchLCMScheduler": Reading(_LCM_FIELDS, _flow_lcm, _TAKES),
    "LTXEulerAncestralRFScheduler": Reading(_LTX_FIELDS, _ltx_ancestral, frozenset({"sigmas", "eta"})),
    "FlowMapEulerDiscreteScheduler": Reading(_SHIFT_ONLY, _flow_map, frozenset({"timesteps", "sigmas"})),
    "MiniMaxH3Scheduler": Reading({"shift": 12.0}, _minimax, frozenset({"sigmas"})),
    "FlowMatchEulerDiscreteScheduler": Reading({**_FLOW_FIELDS, "stochastic_sampling": False}, _flow_euler, _TAKES),
}
