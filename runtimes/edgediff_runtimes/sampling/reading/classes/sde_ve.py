"""Predictor and corrector of variance-exploding score models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.prediction import Score
from edgediff_runtimes.sampling.reading.shared.score import unscaled
from edgediff_runtimes.sampling.reading.shared.settings import Reading, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.solvers.score_sde import PredictorCorrector

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    low, high = settings["sigma_min"], settings["sigma_max"]
    times = linspace32(1.0, settings["sampling_eps"], steps)
    told = (np.float32(low) * np.power(np.float32(high / low), times)).astype(np.float32)
    table = np.exp(linspace32(math.log(low), math.log(high), steps))
    places = (times * np.float32(steps - 1)).astype(np.int64)
    intervals = []
    for i, place in enumerate(places.tolist()):
        start = unscaled(told[i], float(table[place]))
        end = unscaled(told[i], float(table[place - 1]) if place else 0.0)
        intervals.append(Interval(start, end, i, steps))
    return Sampler(
        intervals=tuple(intervals),
        solver=PredictorCorrector(settings["snr"], settings["correct_steps"]),
        parametrisation=Score(),
        init_noise_sigma=high,
    )


_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 2000,
    "snr": 0.15,
    "sigma_min": 0.01,
    "sigma_max": 1348.0,
    "sampling_eps": 1e-5,
    "correct_steps": 1,
}

READING = Reading(_FIELDS, _build)
