"""Euler's ancestral method with CFG++, which diffusers lacks."""

from __future__ import annotations

from functools import partial

from edgediff_runtimes.sampling.reading.shared.euler import EULER_FIELDS, EULER_TAKES, cfg_plus_plus
from edgediff_runtimes.sampling.reading.shared.settings import Reading

READING = Reading(EULER_FIELDS, partial(cfg_plus_plus, ancestral=True), EULER_TAKES, fractional=True)
