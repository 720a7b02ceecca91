"""Samplers of score-based models, and IPNDM with its continuous schedule."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval, Level, chain
from edgediff_runtimes.sampling.prediction import Epsilon, Score, Velocity
from edgediff_runtimes.sampling.reading.settings import Reading, as_array, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import linspace32
from edgediff_runtimes.sampling.solvers.ipndm import Ipndm
from edgediff_runtimes.sampling.solvers.score_sde import ChurnedHeun, EulerMaruyama, PredictorCorrector, raised

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.settings import Settings


def _sde_ve(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    low, high = settings["sigma_min"], settings["sigma_max"]
    times = linspace32(1.0, settings["sampling_eps"], steps)
    told = (np.float32(low) * np.power(np.float32(high / low), times)).astype(np.float32)
    table = np.exp(linspace32(math.log(low), math.log(high), steps))
    places = (times * np.float32(steps - 1)).astype(np.int64)
    intervals = []
    for i, place in enumerate(places.tolist()):
        start = _unscaled(told[i], float(table[place]))
        end = _unscaled(told[i], float(table[place - 1]) if place else 0.0)
        intervals.append(Interval(start, end, i, steps))
    return Sampler(
        intervals=tuple(intervals),
        solver=PredictorCorrector(settings["snr"], settings["correct_steps"]),
        parametrisation=Score(),
        init_noise_sigma=high,
    )


def _unscaled(t: np.generic, sigma: float) -> Level:
    """A variance-exploding level whose sample the network sees as it is."""
    return Level(t, 1.0, sigma, 1.0, sigma)


def _sde_vp(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    low, high = settings["beta_min"], settings["beta_max"]
    times = linspace32(1.0, settings["sampling_eps"], steps)

    def level(told: np.float32) -> Level:
        # In float32, as in the reference: near the clean end the last bits of 1 - alpha^2 decide the score's size.
        log_alpha = np.float32(-0.25) * told**2 * np.float32(high - low) - np.float32(0.5) * told * np.float32(low)
        alpha = math.exp(float(log_alpha))
        sigma = float(np.sqrt(np.float32(1) - np.float32(math.exp(2 * float(log_alpha)))))
        return Level(told, alpha, sigma, 1.0, sigma / alpha)

    levels = [level(t) for t in (*times, np.float32(0))]
    intervals = tuple(
        Interval(levels[i], levels[i + 1], i, steps, extra=(low + float(t) * (high - low), 1 / steps))
        for i, t in enumerate(times)
    )
    return Sampler(intervals, EulerMaruyama(), Epsilon())


def _karras_ve(settings: Settings) -> Sampler:
    steps, few = steps_of(settings), 2
    if steps < few:
        raise SamplerError("steps", got=steps, expected="at least 2, the first and the last level")
    high, low = settings["sigma_max"], settings["sigma_min"]
    # The reference's schedule holds the squares of the paper's levels, and steps through them as they are.
    table = [*(high**2 * (low**2 / high**2) ** (np.arange(steps) / (steps - 1))).astype(np.float32).tolist(), 0.0]
    gamma = min(settings["s_churn"] / steps, math.sqrt(2) - 1)
    intervals = []
    for i, (sigma, before) in enumerate(pairwise(table)):
        start = _unscaled(np.float32(sigma), sigma)
        share = gamma if settings["s_min"] <= sigma <= settings["s_max"] else 0.0
        up = raised(start, np.float32(sigma * (1 + share)), share)
        intervals.append(Interval(start, _unscaled(np.float32(before), before), i, steps, (up,)))
    return Sampler(
        intervals=tuple(intervals),
        solver=ChurnedHeun(settings["s_noise"]),
        parametrisation=Score(times_sigma=True),
        init_noise_sigma=high,
    )


def _ipndm(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    ramp = np.append(linspace32(1.0, 0.0, steps + 1)[:-1], 0.0)
    sigmas = np.sin(ramp * math.pi / 2) ** 2
    if settings["trained_betas"] is not None:
        sigmas = as_array(settings["trained_betas"], np.float64)
        if len(sigmas) != steps + 1:
            raise SamplerError(
                "trained_betas", got=len(sigmas), expected=f"{steps + 1} noise levels, one above the steps"
            )
    alphas = np.sqrt(1 - sigmas**2)
    told = (np.arctan2(sigmas, alphas) / math.pi * 2).astype(np.float32)
    levels = [
        Level(t, float(a), float(s), 1.0, float(s / a) if a else math.inf)
        for t, a, s in zip(told, alphas, sigmas, strict=True)
    ]
    return Sampler(chain(levels), Ipndm(), Velocity())


_SDE_VE_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 2000,
    "snr": 0.15,
    "sigma_min": 0.01,
    "sigma_max": 1348.0,
    "sampling_eps": 1e-5,
    "correct_steps": 1,
}
_SDE_VP_FIELDS: dict[str, Any] = {"num_train_timesteps": 2000, "beta_min": 0.1, "beta_max": 20, "sampling_eps": 1e-3}
_KARRAS_VE_FIELDS: dict[str, Any] = {
    "sigma_min": 0.02,
    "sigma_max": 100,
    "s_noise": 1.007,
    "s_churn": 80,
    "s_min": 0.05,
    "s_max": 50,
}

READINGS: dict[str, Reading] = {
    "ScoreSdeVeScheduler": Reading(_SDE_VE_FIELDS, _sde_ve),
    "ScoreSdeVpScheduler": Reading(_SDE_VP_FIELDS, _sde_vp),
    "KarrasVeScheduler": Reading(_KARRAS_VE_FIELDS, _karras_ve),
    "IPNDMScheduler": Reading({"num_train_timesteps": 1000, "trained_betas": None}, _ipndm),
}
