"""aMUSEd: masked tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, steps_of
from edgediff_runtimes.sampling.reading.shared.tokens import WHOLE, Tokens, needed, token_level
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.solvers.tokens import MaskedTokens

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings

_ENDS = 2


def _build(settings: Settings) -> Sampler:
    steps, temperature = steps_of(settings), settings["temperature"]
    schedule = choose(settings, "masking_schedule", ("cosine", "linear"))
    ends = temperature if isinstance(temperature, (tuple, list)) else (temperature, 0.01)
    if len(ends) != _ENDS or not all(isinstance(end, (int, float)) and math.isfinite(end) for end in ends):
        raise SamplerError("temperature", got=temperature, expected="a finite number, or the first and the last of two")
    first, last = ends
    heat = linspace32(float(first), float(last), steps)
    intervals = []
    for i in range(steps):
        done = np.float32((i + 1) / steps)
        share = np.cos(done * np.float32(math.pi) / np.float32(2)) if schedule == "cosine" else np.float32(1) - done
        extra = (settings["starting_mask_ratio"] * float(share), float(heat[i]))
        intervals.append(Interval(token_level(steps - 1 - i), token_level(steps - 2 - i), i, steps, extra=extra))
    return Sampler(
        tuple(intervals),
        MaskedTokens(needed(settings, "mask_token_id")),
        Tokens(),
        like_sample=False,
        discrete=True,
        whole=WHOLE,
    )


_FIELDS: dict[str, Any] = {"mask_token_id": None, "masking_schedule": "cosine"}
_KEYWORDS: dict[str, Any] = {"temperature": (2, 0), "starting_mask_ratio": 1.0}

READING = Reading(_FIELDS, _build, keywords=_KEYWORDS)
