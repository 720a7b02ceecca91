"""Heun's method."""

from __future__ import annotations

from functools import partial
from typing import Any

from edgediff_runtimes.sampling.reading.shared.exploding import SD_FIELDS, plain
from edgediff_runtimes.sampling.reading.shared.settings import Reading
from edgediff_runtimes.sampling.solvers.heun import Heun

_FIELDS: dict[str, Any] = {**SD_FIELDS, "clip_sample": False, "clip_sample_range": 1.0}

READING = Reading(_FIELDS, partial(plain, solver=Heun()), frozenset({"timesteps"}), fractional=True)
