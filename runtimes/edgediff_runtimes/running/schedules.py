"""The sampler of a stage: the scheduler's config, what the caller asks for, and what the recipe adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.fields import is_finite
from edgediff_runtimes.recipe.recipe import Stage, token_count
from edgediff_runtimes.sampling import Sampler, build_sampler, sampler_config, sampler_fields, takes
from edgediff_runtimes.settings import Settings
from edgediff_runtimes.settings.noise_levels import level_of

# diffusers' pipelines pass eta = 0 to every scheduler that takes it; this one's own default is another.
_ETA_ZERO = ("TCDScheduler",)
_TRAINING_STEPS = 1000  # of diffusers' schedulers that do not say
# Of `calculate_shift` in diffusers' flow pipelines, for configs that do not say.
_SHIFT = {"base_image_seq_len": 256, "max_image_seq_len": 4096, "base_shift": 0.5, "max_shift": 1.15}
_MANY_STEPS, _MANY_TOKENS = 200, 4300
_FURTHEST = 1.5  # times a noise level that is asked for, or one over it


def sampler_for(stage: Stage, settings: Settings, scheduler: Mapping[str, Any]) -> Sampler:
    """The sampler of a run; from a picture, the last part of its schedule or one made for its strength.

    Args:
        stage: Says what is added to the config.
        settings: Sampler name and options, steps, size, strength.
        scheduler: The bundle's own scheduler config.

    Raises:
        SamplerError: The sampler, its options, its steps or the strength do not go together.
    """
    config, options = dict(scheduler), dict(settings.sampler_options)
    if settings.sampler is not None:
        config = sampler_config(settings.sampler, config)
        options = sampler_fields(settings.sampler) | options
    if config["_class_name"] in _ETA_ZERO:
        options.setdefault("eta", 0.0)
    strength = settings.strength if stage.schedule.since is None else None
    level = level_of(stage, settings) if stage.schedule.since is None else None
    # diffusers' inpainting pipelines run the last part with every sampler.
    cut = settings.masked or stage.schedule.strength == "tail"
    whole = not cut and options.get("timesteps") is None and takes(config, "strength")
    if strength is not None and whole:
        options, strength = {"strength": strength, **options}, None
    if stage.schedule.shift is not None and config.get("use_dynamic_shifting"):
        options.setdefault("mu", _mu(stage, settings, config))
    if stage.schedule.linear and settings.sampler is None and settings.steps and "sigmas" not in options:
        options["sigmas"] = np.linspace(1.0, 1 / settings.steps, settings.steps).tolist()
        sampler = build_sampler(config, **options)
    else:
        sampler = build_sampler(config, steps=settings.steps, **options)
    _check_suits(sampler, settings)
    if level is not None:
        sampler = _at_noise(sampler, *level)
    return _cut(sampler if strength is None else sampler.for_strength(strength), stage, settings, config)


def _check_suits(sampler: Sampler, settings: Settings) -> None:
    """Refuse a sampler that cannot do what else is asked for."""
    expected = None
    if settings.masked and (sampler.whole or not sampler.like_sample):
        expected = "another, because this one cannot keep the known part of a picture"
    elif sampler.needs_unguided and not settings.guided:
        expected = "one that needs no guidance, or guidance above 1"
    elif sampler.needs_unguided and (settings.guidance_interval is not None or settings.reuse_guidance > 1):
        expected = "another, because this one takes the unguided prediction, which is not computed at every call"
    if expected is not None:
        raise SamplerError("sampler", got=settings.sampler, expected=expected)


def _at_noise(sampler: Sampler, level: float, unit: float) -> Sampler:
    """The sampler that starts at a noise level, where the schedule has one near it."""
    started = sampler.for_noise(level)
    nearest = started.intervals[0].start.nominal
    if not level / _FURTHEST <= nearest <= level * _FURTHEST:
        expected = f"a level that this schedule has, of which {nearest / unit:.3g} is the nearest"
        raise SamplerError("noise_level", got=level / unit, expected=expected, hint="more `steps` bring levels nearer")
    return started


def _cut(sampler: Sampler, stage: Stage, settings: Settings, config: Mapping[str, Any]) -> Sampler:
    """The steps of a stage that shares its schedule with another, cut as ``denoising_end`` of diffusers cuts it."""
    for option in stage.schedule.options:
        share, training = float(settings.option(option)), int(config.get("num_train_timesteps", _TRAINING_STEPS))
        if share >= 1:
            continue
        if sampler.whole:
            raise SamplerError(option, got=share, expected="1, because this sampler runs whole", hint=sampler.whole)
        cutoff = round(training - share * training)
        sampler = sampler.until(cutoff) if option == stage.schedule.until else sampler.since(cutoff)
        if not sampler.intervals:
            expected = f"a share that leaves `{stage.name}` at least one step"
            raise SamplerError(option, got=share, expected=expected, hint="more `steps` leave each stage some")
    return sampler


def _mu(stage: Stage, settings: Settings, config: Mapping[str, Any]) -> float:
    """The shift of the schedule.

    ``linear`` in the number of tokens between the config's two ends: Esser et al. 2024, "Scaling Rectified Flow
    Transformers for High-Resolution Image Synthesis", section 5.3.2, as diffusers' ``calculate_shift`` has it.
    ``flux2``: a fit to tokens and steps, as its ``compute_empirical_mu``.
    """
    width, height = settings.seen(stage.space)
    tokens = token_count(stage.space, stage.schedule, width=width, height=height)
    if stage.schedule.shift == "flux2":
        return _fitted(tokens, settings.steps or _MANY_STEPS)
    base, most, low, high = (_end(config, name, default) for name, default in _SHIFT.items())
    if base == most:
        raise SamplerError("max_image_seq_len", got=most, expected="another number than `base_image_seq_len`")
    slope = (high - low) / (most - base)
    shift = float(tokens * slope + low - slope * base)
    if not is_finite(shift):
        expected = f"a number that leaves the shift of {tokens} tokens finite"
        raise SamplerError("max_shift", got=high, expected=expected)
    return shift


def _end(config: Mapping[str, Any], name: str, default: float) -> float:
    value = config.get(name, default)
    if not is_finite(value):
        raise SamplerError(name, got=value, expected="a finite number, because the schedule is shifted by it")
    return value


def _fitted(tokens: int, steps: int) -> float:
    """Between a line for 10 steps and one for 200, which alone holds for many tokens."""
    many = 0.00016927 * tokens + 0.45666666
    if tokens > _MANY_TOKENS:
        return many
    few = 8.73809524e-05 * tokens + 1.89833333
    slope = (many - few) / (_MANY_STEPS - 10)
    return slope * steps + many - _MANY_STEPS * slope
