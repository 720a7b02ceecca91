"""Samplers by the names people know, applied to any model's own scheduler config."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, final

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.known_samplers import KNOWN
from edgediff_runtimes.sampling.reading.table import READINGS
from edgediff_runtimes.sampling.schedules.named_grids import NAMED_GRIDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgediff_runtimes.sampling.known_samplers import SamplerInfo

# A grid is an axis of its own: any of these may follow the name of a sampler whose class has the switch.
_GRID_SUFFIXES = {
    "karras": "use_karras_sigmas",
    "exponential": "use_exponential_sigmas",
    "beta": "use_beta_sigmas",
}
_SPACING_SUFFIXES = {"trailing": "trailing", "leading": "leading", "linspace": "linspace"}

# Samplers of k-diffusion that choose their own steps, which names near to theirs do not.
_OTHER_METHODS = ("dpm_fast", "dpm_adaptive")


@final
@dataclass(frozen=True, slots=True)
class _Named:
    info: SamplerInfo
    fields: Mapping[str, Any]


def sampler_names() -> tuple[str, ...]:
    """Every sampler's own name, without aliases and grid suffixes."""
    return tuple(KNOWN)


def sampler_table() -> tuple[SamplerInfo, ...]:
    """One row per sampler: order, stochastic or not, network calls per step, recommended steps, source."""
    return tuple(KNOWN.values())


def sampler_config(name: str, base_config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a sampler for a model, from the model's own scheduler config.

    Shared fields (betas, prediction type, spacing ...) are carried over, as ``NewScheduler.from_config(old.config)`` of
    diffusers does; fields that the base leaves out take the new class's defaults; the fields that make the name replace
    the base's. On a flow model, samplers that can use flow levels do.

    Args:
        name: A name of ``sampler_names()``, an alias (A1111's and ComfyUI's spellings, the name of a class of diffusers
            that has a name here), or either with the suffix
            ``_karras``, ``_exponential``, ``_beta``, ``_trailing``, ``_leading``, ``_linspace`` or one of
            ``NAMED_GRIDS`` (``_ays``, ``_sgm_uniform`` ...).
        base_config: The dict of the model's ``scheduler_config.json``.

    Raises:
        SamplerError: the name is unknown, or the model's prediction type makes it impossible.
    """
    named = _find(name)
    config = {**base_config, **named.fields, "_class_name": named.info.class_name}
    reading = READINGS[named.info.class_name]
    flow_model, flow_sampler = _is_flow(base_config), "prediction_type" not in reading.fields
    if flow_model and not flow_sampler:
        if "use_flow_sigmas" not in reading.fields:
            hint = f"take one of {', '.join(_names_for_flow())}"
            raise SamplerError("sampler", got=name, expected="a sampler for flow models", hint=hint)
        config |= {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
        config["flow_shift"] = base_config.get("flow_shift", base_config.get("shift", 1.0))
    if flow_sampler and not flow_model and named.info.needs == "flow":
        kind = base_config.get("prediction_type", "epsilon")
        raise SamplerError(
            "sampler", got=name, expected=f"a sampler for {kind} models", hint="take `euler`, for example"
        )
    return config


def sampler_fields(name: str) -> dict[str, Any]:
    """The fields that a name stands for, beside its class: what whoever says the name asks for.

    Raises:
        SamplerError: the name is unknown.
    """
    return dict(_find(name).fields)


def _find(name: str) -> _Named:
    spelled = _spelling(name)
    by_alias = _by_alias()
    fields: dict[str, Any] = {}
    while spelled not in by_alias and "_" in spelled:
        stem, _, suffix = spelled.rpartition("_")
        if suffix in _GRID_SUFFIXES:
            fields[_GRID_SUFFIXES[suffix]] = True
        elif any(spelled.endswith(f"_{grid}") for grid in NAMED_GRIDS):
            fields["grid"] = max((g for g in NAMED_GRIDS if spelled.endswith(f"_{g}")), key=len)
            stem = spelled.removesuffix(f"_{fields['grid']}")
        elif suffix in _SPACING_SUFFIXES:
            fields["timestep_spacing"] = _SPACING_SUFFIXES[suffix]
        else:
            break
        spelled = stem
    if spelled not in by_alias:
        raise SamplerError("sampler", got=name, expected="the name of a sampler", hint=_hint(_spelling(name)))
    info = by_alias[spelled]
    reading = READINGS[info.class_name]
    has = {*reading.fields, *({"grid"} if "timesteps" in reading.takes and "beta_schedule" in reading.fields else ())}
    missing = [field for field in fields if field not in has]
    if missing:
        raise SamplerError("sampler", got=name, expected=f"`{info.name}` without that grid, which it does not have")
    # The name says which grid it means; a switch that the model's config carries must not change it.
    switches = dict.fromkeys(_GRID_SUFFIXES.values(), False) if set(fields) & set(_GRID_SUFFIXES.values()) else {}
    return _Named(info, {**switches, **info.fields, **fields})


def _by_alias() -> dict[str, SamplerInfo]:
    """Rows by every spelling; the name of a class of diffusers means the row that agrees with the class's defaults."""
    classes = {
        info.class_name.lower(): info
        for info in KNOWN.values()
        if info.fields.items() <= READINGS[info.class_name].fields.items()
    }
    return classes | {alias: info for info in KNOWN.values() for alias in (info.name, *info.aliases)}


def _hint(spelled: str) -> str:
    """What would work in place of a name that is not known."""
    method = next((method for method in _OTHER_METHODS if re.fullmatch(rf"(k_)?{method}(_.*)?", spelled)), None)
    if method is not None:
        return (
            f"the step sizes of {method} are its own, and edgediff has none of its kind: take one of {', '.join(KNOWN)}"
        )
    near = get_close_matches(
        spelled, [a for info in KNOWN.values() for a in (info.name, *info.aliases)], n=3, cutoff=0.5
    )
    return f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(KNOWN)}"


def _spelling(name: str) -> str:
    """``DPM++ 2M Karras`` and ``dpmpp-2m-karras`` are the same name; ComfyUI's ``_gpu`` says where noise is drawn."""
    plain = re.sub(r"[\s\-]+", "_", name.strip().lower().replace("++", "pp"))
    return re.sub(r"_+", "_", plain).replace("_sde_gpu", "_sde")


def _is_flow(config: Mapping[str, Any]) -> bool:
    if config.get("prediction_type") is not None:
        return bool(config["prediction_type"] == "flow_prediction")
    reading = READINGS.get(str(config.get("_class_name")))
    return reading is not None and "prediction_type" not in reading.fields and "shift" in reading.fields


def _names_for_flow() -> list[str]:
    return [
        info.name
        for info in KNOWN.values()
        if info.needs == "flow" or "use_flow_sigmas" in READINGS[info.class_name].fields
    ]
