"""DPM2 of k-diffusion."""

from __future__ import annotations

from functools import partial

from edgediff_runtimes.sampling.reading.shared.exploding import SD_FIELDS
from edgediff_runtimes.sampling.reading.shared.kdpm2 import kdpm2
from edgediff_runtimes.sampling.reading.shared.settings import Reading

READING = Reading(SD_FIELDS, partial(kdpm2, ancestral=False))
