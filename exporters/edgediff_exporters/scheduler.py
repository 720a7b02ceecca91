"""The scheduler's config of a bundle: one that the runtime can make a sampler from, in JSON that everybody reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from edgediff_runtimes.errors import SamplerError, SourceError
from edgediff_runtimes.sampling import build_sampler
from edgediff_runtimes.sampling.reading.table import READINGS

_INFINITIES = {"inf": math.inf, "-inf": -math.inf}  # as they are read
_SHIFT = "time_shift_type"
_ANY_SHIFT = {"mu": 1.0}


def bundle_scheduler(config: Mapping[str, Any], *, steps: int, name: str, shift: str | None) -> dict[str, Any]:
    """A scheduler's config as a bundle holds it.

    Standard JSON has no infinities. diffusers writes one where a field is infinite by default (``-Infinity`` as
    ``lambda_min_clipped`` of the DPM-Solvers); such a field is left out, because every reader takes the default then.
    As a text, ``"-inf"``, diffusers could not use it. Another default is left out where the shift follows from the size
    alone: OpenVINO GenAI (2026.4) takes an exponential shift that is written down for FLUX.2's, which counts steps too.

    Args:
        config: As the source has it.
        steps: What the bundle recommends.
        name: The source, for errors.
        shift: How a run shifts the schedule by the picture's size, see ``Schedule``; None: not at all.

    Raises:
        SourceError: No sampler can be made from it.
    """
    try:
        build_sampler(config, steps=steps, **(_ANY_SHIFT if shift and config.get("use_dynamic_shifting") else {}))
    except SamplerError as error:
        raise SourceError(f"the scheduler of `{name}` cannot be used: {error.sentence}", hint=error.hint) from error
    defaults = READINGS[config["_class_name"]].fields

    def is_left_out(field: str, value: object) -> bool:
        if shift == "linear" and field == _SHIFT:
            return value == defaults.get(field)
        return isinstance(value, str) and value in _INFINITIES and defaults.get(field) in (value, _INFINITIES[value])

    return {field: value for field, value in config.items() if not is_left_out(field, value)}
