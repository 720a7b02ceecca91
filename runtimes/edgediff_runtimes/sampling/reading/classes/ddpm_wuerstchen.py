"""Wuerstchen's DDPM, whose timesteps are ratios from 1 to 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.sampling.levels import chain, preserving
from edgediff_runtimes.sampling.prediction import Epsilon
from edgediff_runtimes.sampling.reading.shared.settings import Reading, as_array, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.schedules.spacing import check_descending
from edgediff_runtimes.sampling.solvers.ddpm import Ddpm

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    if settings["timesteps"] is not None:
        ratios = as_array(settings["timesteps"], np.float32)
        check_descending(ratios.tolist(), train_steps=1, inclusive=True, least=2)
    else:
        ratios = linspace32(1.0, 0.0, steps_of(settings) + 1)
    s, scaler = settings["s"], settings["scaler"]
    first = math.cos(s / (1 + s) * math.pi / 2) ** 2

    def level(t: np.float32) -> Level:
        warped = 1 - (1 - float(t)) ** scaler if scaler > 1 else float(t) ** scaler
        product = math.cos((warped + s) / (1 + s) * math.pi / 2) ** 2 / first
        return preserving(t, min(max(product, 0.0001), 0.9999))

    return Sampler(chain([level(t) for t in ratios]), Ddpm(quiet_end=True), Epsilon())


READING = Reading({"scaler": 1.0, "s": 0.008}, _build, frozenset({"timesteps"}))
