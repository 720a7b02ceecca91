"""From a scheduler's config to a sampler."""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.prediction import Clean, Epsilon
from edgediff_runtimes.sampling.reading.shared.kinds import check_kinds, whole_numbers
from edgediff_runtimes.sampling.reading.shared.settings import CALL, GRID_SWITCHES, steps_of
from edgediff_runtimes.sampling.reading.table import READINGS
from edgediff_runtimes.sampling.refused import REFUSED
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.sampling.schedules.named_grids import VIDEO_GRID, named_timesteps, video_sigmas
from edgediff_runtimes.sampling.schedules.sigmas import training_sigmas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgediff_runtimes.sampling.reading.shared.settings import Reading
    from edgediff_runtimes.sampling.sampler import Sampler

# The orders of solvers that build up with the steps before.
_ORDERS = ("solver_order", "predictor_order", "corrector_order")
# Fields of older configs that no class reads any more.
_FORGOTTEN = frozenset({"tensor_format", "timestep_values"})


def build_sampler(config: Mapping[str, Any], steps: int | None = None, **overrides: Any) -> Sampler:  # noqa: ANN401 - fields of a config
    """Make the sampler that a config of diffusers describes.

    Args:
        config: The dict of a ``scheduler_config.json``, with ``_class_name``.
        steps: How many steps; left out where custom ``timesteps`` or ``sigmas`` say it.
        **overrides: Fields of the config, which they replace, and ``timesteps``, ``sigmas``, ``mu`` (dynamic shift) and
            ``eta`` (share of fresh noise) where the class takes them; ``grid``, one of ``NAMED_GRIDS``, where it takes
            timesteps. An order of the solver that is given here is refused where the steps are too few for it; one in
            the config is lowered.

    Raises:
        SamplerError: the class, a field or a combination is unknown or impossible.
    """
    name = config.get("_class_name")
    reading = _reading(name)
    grid = overrides.pop("grid", config.get("grid"))
    settings = {**dict.fromkeys(CALL), **reading.fields, **reading.keywords, **_of_config(config, reading)}
    for key, value in {**overrides, "steps": steps}.items():
        _check_override(str(name), key, value, reading)
        settings[key] = value
    check_kinds(settings, {**reading.fields, **reading.keywords})
    settings |= whole_numbers(settings)
    if settings["timesteps"] is not None and settings["sigmas"] is not None and not reading.both_grids:
        raise SamplerError(
            "sigmas", got="sigmas beside timesteps", expected="one of the two", hint="leave out one of them"
        )
    if grid is not None:
        settings |= _named_grid(str(name), str(grid), settings, reading)
    sampler = _built(str(name), reading, settings)
    _check_order(overrides, sampler.steps)
    _check_first_level(sampler)
    return sampler


def takes(config: Mapping[str, Any], keyword: str) -> bool:
    """Whether ``build_sampler`` takes a keyword beside the fields of this config's class."""
    return keyword in _reading(config.get("_class_name")).keywords


def _built(name: str, reading: Reading, settings: Mapping[str, Any]) -> Sampler:
    """The sampler; numbers that are fine one by one may still be too far apart for the formulas."""
    try:
        return reading.build(settings)
    except SamplerError:
        raise
    except (ArithmeticError, ValueError) as error:
        numbers = {key: value for key, value in settings.items() if isinstance(value, int | float)}
        expected = f"numbers that its formulas can take ({error})"
        raise SamplerError(name, got=numbers, expected=expected) from error


def _reading(name: object) -> Reading:
    if isinstance(name, str) and name in READINGS:
        return READINGS[name]
    if isinstance(name, str) and name in REFUSED:
        raise SamplerError("_class_name", got=name, expected=f"a sampler, and {REFUSED[name]}")
    near = get_close_matches(str(name), READINGS, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "`_class_name` names one of diffusers' schedulers"
    raise SamplerError("_class_name", got=name, expected="a scheduler that edgediff knows", hint=hint)


def _of_config(config: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """The fields that the class reads; those of other classes are dropped, as diffusers drops them."""
    fields = {}
    for key, value in config.items():
        if key in reading.fields:
            # JSON has no infinities: `untrusted.documents` reads diffusers' own as these texts.
            fields[key] = float(value) if isinstance(value, str) and value in ("inf", "-inf") else value
        elif (
            key != "grid"
            and not key.startswith("_")
            and key not in _FORGOTTEN
            and not any(key in r.fields for r in READINGS.values())
        ):
            warnings.warn(
                f"the scheduler's config has `{key}`: no scheduler of diffusers reads it, and it is ignored as there",
                stacklevel=3,
            )
    return fields


def _named_grid(name: str, grid: str, settings: Mapping[str, Any], reading: Reading) -> dict[str, list[float]]:
    """Custom timesteps of a named grid, whole where the class has whole timesteps; or custom sigmas."""
    takes = "sigmas" if grid == VIDEO_GRID else "timesteps"
    if takes not in reading.takes or "beta_schedule" not in reading.fields:
        raise SamplerError("grid", got=grid, expected=f"no grid by name, for {name} has its own")
    if settings["timesteps"] is not None or settings["sigmas"] is not None:
        raise SamplerError("grid", got=grid, expected="no custom timesteps or sigmas beside it")
    if grid == VIDEO_GRID:
        return {"sigmas": video_sigmas(steps_of(settings))}
    table = training_sigmas(alphas_cumprod(settings, keep_finite=True))
    timesteps = named_timesteps(grid, steps_of(settings), table)
    if reading.fractional:
        return {"timesteps": timesteps}
    whole: list[float] = [round(t) for t in timesteps]
    if len(set(whole)) < len(whole):
        raise SamplerError("steps", got=len(whole), expected=f"fewer steps: `{grid}` repeats a timestep")
    return {"timesteps": whole}


def _check_override(name: str, key: str, value: object, reading: Reading) -> None:
    if key in CALL:
        if value is not None and key != "steps" and key not in reading.takes:
            raise SamplerError(key, got=value, expected=f"nothing, for {name} does not take it")
        return
    if key not in reading.fields and key not in reading.keywords:
        near = get_close_matches(key, [*reading.fields, *reading.keywords, *reading.takes], n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"{name} has {', '.join(sorted(reading.fields))}"
        if key in GRID_SWITCHES:
            hint = f"take a sampler that has it, such as `euler_{key.split('_')[1]}`"
        raise SamplerError(key, got=value, expected=f"a setting of {name}", hint=hint)


def _check_order(asked: Mapping[str, Any], steps: int) -> None:
    """Refuse a third order that is asked for with fewer steps; one in a model's config is lowered as diffusers does."""
    second = 2
    for name in _ORDERS:
        order = asked.get(name)
        if order is not None and order > max(steps, second):
            hint = f"take at least {order} steps, or `{name}={second}`"
            raise SamplerError(name, got=order, expected=f"an order of at most 2 with {steps} steps", hint=hint)


def _check_first_level(sampler: Sampler) -> None:
    """Refuse to divide by 0: pure noise says nothing about the sample, and the clean sample nothing about the noise."""
    starts = [interval.start for interval in sampler.intervals]
    if isinstance(sampler.parametrisation, Epsilon) and any(level.alpha == 0 for level in starts):
        raise SamplerError(
            "rescale_betas_zero_snr",
            got=True,
            expected="a v-prediction or sample-prediction model, for epsilon cannot be used at zero SNR",
            hint="set `rescale_betas_zero_snr=False`, or a spacing that leaves out the last timestep",
        )
    if isinstance(sampler.parametrisation, Clean) and any(level.sigma == 0 for level in starts):
        hint = "set `set_alpha_to_one=False`"
        raise SamplerError(
            "prediction_type", got="sample", expected="another one where the first level is clean", hint=hint
        )
