"""What a family of configs declares, and the settings that families share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.limits import Clip, DynamicThreshold
from edgediff_runtimes.sampling.prediction import Clean, Epsilon, Flow, Velocity
from edgediff_runtimes.sampling.schedules.spacing import check_descending
from edgediff_runtimes.untrusted.bounds import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edgediff_runtimes.sampling.limits import Limit
    from edgediff_runtimes.sampling.prediction import Parametrisation
    from edgediff_runtimes.sampling.sampler import Sampler
    from edgediff_runtimes.tensors import Array

Settings: TypeAlias = "Mapping[str, Any]"

# What a caller may give beside the fields of a config.
CALL = ("steps", "timesteps", "sigmas", "mu", "eta")

BETAS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
}
THRESHOLDING: dict[str, Any] = {"thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}
PREDICTIONS = ("epsilon", "sample", "v_prediction")
GRID_SWITCHES: dict[str, Any] = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}

_PREDICTIONS: dict[str, Parametrisation] = {p.name: p for p in (Epsilon(), Velocity(), Clean(), Flow())}


@final
@dataclass(frozen=True, slots=True)
class Reading:
    """How configs of one class are read.

    Attributes:
        fields: Every field of the class with its default.
        build: Makes the sampler from complete settings: all fields and all of ``CALL``.
        takes: Which of ``timesteps``, ``sigmas``, ``mu`` and ``eta`` a caller may give.
        keywords: Arguments of the class's ``set_timesteps`` and ``step`` that a caller may give, with their defaults.
        fractional: Whether its networks are told fractional timesteps, so that a grid by name needs no rounding.
        both_grids: Whether it takes timesteps beside sigmas: what the network is told at these levels.
    """

    fields: Mapping[str, Any]
    build: Callable[[Settings], Sampler]
    takes: frozenset[str] = frozenset()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    fractional: bool = False
    both_grids: bool = False


def choose(settings: Settings, name: str, allowed: Iterable[Any]) -> Any:  # noqa: ANN401 - a field's value, whatever it is
    """The value of a field that must be one of a few.

    Raises:
        SamplerError: it is not.
    """
    values = tuple(allowed)
    if settings[name] not in values:
        raise SamplerError(name, got=settings[name], expected=f"one of {', '.join(map(str, values))}")
    return settings[name]


def parametrisation(settings: Settings, allowed: Iterable[str]) -> Parametrisation:
    """The meaning of the network's output.

    Raises:
        SamplerError: the sampler cannot work with that prediction type.
    """
    names = tuple(allowed)
    got = settings["prediction_type"]
    if got not in names:
        flow = "flow_prediction" in (got, *names) and got in _PREDICTIONS
        hint = "flow models need a flow sampler such as `flow_euler`, others one such as `euler`" if flow else None
        raise SamplerError("prediction_type", got=got, expected=f"one of {', '.join(names)}", hint=hint)
    return _PREDICTIONS[got]


def limit(settings: Settings) -> Limit | None:
    """Thresholding, or else clipping, of the denoised sample, as the settings switch them on.

    Raises:
        SamplerError: one is on, and its bound is null.
    """
    if settings.get("thresholding"):
        return DynamicThreshold(_bound(settings, "dynamic_thresholding_ratio"), _bound(settings, "sample_max_value"))
    return Clip(_bound(settings, "clip_sample_range")) if settings.get("clip_sample") else None


def _bound(settings: Settings, name: str) -> float:
    if settings[name] is None:
        raise SamplerError(name, got=None, expected="a number, for it is in use")
    return float(settings[name])


def steps_of(settings: Settings, *, most: int | None = None, why: str = "the length of the training schedule") -> int:
    """The number of steps, at least 1 and at most ``most``, which is said to be ``why``.

    Raises:
        SamplerError: it is not a whole number in range, or not the length of the custom grid.
    """
    given = settings["timesteps"] if settings["timesteps"] is not None else settings["sigmas"]
    steps = settings["steps"]
    if given is not None and settings["sigmas"] is None:
        if steps is not None and steps != len(given):
            raise SamplerError("steps", got=steps, expected=f"{len(given)}, one for each custom timestep, or nothing")
        steps = len(given)
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise SamplerError("steps", got=steps, expected="a whole number of at least 1")
    if steps > STEPS.most:
        raise SamplerError("steps", got=steps, expected=STEPS.expected)
    if most is not None and steps > most:
        raise SamplerError("steps", got=steps, expected=f"at most {most}, {why}")
    return int(steps)


def whole_custom(settings: Settings) -> Array:
    """Custom timesteps, cut to whole numbers as the reference cuts them, int64.

    Raises:
        SamplerError: they do not fall, or lie outside of the training schedule.
    """
    timesteps = as_array(settings["timesteps"], np.int64)
    check_descending(timesteps.tolist(), train_steps=settings["num_train_timesteps"])
    return timesteps


def as_array(values: object, dtype: type[np.generic]) -> Array:
    """Custom timesteps or sigmas as an array."""
    return np.asarray(values, dtype=dtype)
