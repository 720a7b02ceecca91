"""Samplers of preconditioned networks: EDM, Stable Audio's cosine schedule, consistency models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval, Level, chain, exploding, preserving
from edgediff_runtimes.sampling.limits import Clip
from edgediff_runtimes.sampling.prediction import Preconditioned, TrigFlow
from edgediff_runtimes.sampling.reading.exploding import CHURN, churned
from edgediff_runtimes.sampling.reading.log_snr import multistep
from edgediff_runtimes.sampling.reading.settings import (
    THRESHOLDING,
    Reading,
    as_array,
    choose,
    limit,
    steps_of,
    whole_custom,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod, linspace32
from edgediff_runtimes.sampling.schedules.spacing import check_descending
from edgediff_runtimes.sampling.solvers.renoise import Renoise

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.tensors import Floats

# A quarter of TrigFlow's circle, as configs round it up.
_CIRCLE = 1.571
# The timestep that the consistency decoder was trained to start from.
_DECODER_STARTS = 1008


def _network(settings: Settings) -> Preconditioned:
    kind = choose(settings, "prediction_type", ("epsilon", "v_prediction"))
    return Preconditioned(settings["sigma_data"], sign=1.0 if kind == "epsilon" else -1.0)


def _sigmas(settings: Settings, steps: int) -> Floats:
    """Noise levels of the config's schedule without their end."""
    high, low = settings["sigma_max"], settings["sigma_min"]
    # In float32 up to the last function, which is rounded once: a Brownian path answers to the last bit of a level.
    if choose(settings, "sigma_schedule", ("karras", "exponential")) == "karras":
        top, bottom = high ** (1 / settings["rho"]), low ** (1 / settings["rho"])
        roots = np.float32(top) + linspace32(0.0, 1.0, steps) * np.float32(bottom - top)
        return np.asarray(np.power(roots, settings["rho"], dtype=np.float64), np.float32)
    # The reference counts this grid from its low end, where a single step stays.
    return np.exp(linspace32(math.log(low), math.log(high), steps)[::-1].astype(np.float64)).astype(np.float32)


def _levels(settings: Settings, sigmas: Floats, last: float) -> list[Level]:
    told = [*(np.float32(0.25) * np.log(sigmas)), np.float32(0)]
    return [exploding(t, s, settings["sigma_data"]) for t, s in zip(told, [*map(float, sigmas), last], strict=True)]


def _first_std(settings: Settings) -> float:
    return math.sqrt(settings["sigma_max"] ** 2 + 1)


def _ends_clean(settings: Settings) -> bool:
    return bool(choose(settings, "final_sigmas_type", ("zero", "sigma_min")) == "zero")


def _edm_euler(settings: Settings) -> Sampler:
    sigmas = _sigmas(settings, steps_of(settings))
    return Sampler(
        intervals=chain(_levels(settings, sigmas, 0.0 if _ends_clean(settings) else float(sigmas[-1]))),
        solver=churned(settings, reread=True),
        parametrisation=_network(settings),
        init_noise_sigma=_first_std(settings),
    )


def _edm_dpm(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    kind = choose(settings, "algorithm_type", ("dpmsolver++", "sde-dpmsolver++", "deis"))
    return Sampler(
        intervals=chain(
            _levels(settings, _sigmas(settings, steps), 0.0 if _ends_clean(settings) else settings["sigma_min"])
        ),
        solver=multistep(
            settings,
            order=choose(settings, "solver_order", (1, 2, 3)),
            kind="dpmsolver++" if kind == "deis" else kind,
        ),
        parametrisation=_network(settings),
        limit=limit(settings),
        init_noise_sigma=_first_std(settings),
    )


def _cosine_dpm(settings: Settings) -> Sampler:
    steps = steps_of(settings)
    sigmas, data = _sigmas(settings, steps), settings["sigma_data"]
    last = 0.0 if _ends_clean(settings) else settings["sigma_min"]
    told = [*(np.arctan(sigmas) / np.float32(math.pi) * np.float32(2)), np.float32(0)]
    levels = [exploding(t, s, data) for t, s in zip(told, [*map(float, sigmas), last], strict=True)]
    return Sampler(
        intervals=chain(levels),
        solver=multistep(
            settings,
            order=choose(settings, "solver_order", (1, 2)),
            kind="sde-dpmsolver++",
            brownian=(settings["sigma_min"], settings["sigma_max"]),
        ),
        parametrisation=_network(settings),
        init_noise_sigma=_first_std(settings),
    )


def _consistency(settings: Settings) -> Sampler:
    """Song et al. 2023, algorithm 1: jump to the clean sample, noise it to the next level above ``sigma_min``."""
    train, low, high = settings["num_train_timesteps"], settings["sigma_min"], settings["sigma_max"]
    if settings["timesteps"] is not None:
        steps_of(settings)
        places = whole_custom(settings)[::-1]
    else:
        steps = steps_of(settings, most=train)
        places = np.arange(steps) * (train // steps)
    rho = settings["rho"]
    ramp = places / (train - 1)
    sigmas = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    told, steep = 250.0 * np.log(sigmas + 1e-44), [*map(float, sigmas.astype(np.float32)), low]
    intervals = []
    for i, t in enumerate(told):
        above = min(max(steep[i + 1], low), high)
        end = exploding(t, math.sqrt(max(above**2 - low**2, 0.0)) * settings["s_noise"], settings["sigma_data"])
        intervals.append(Interval(exploding(t, steep[i], settings["sigma_data"]), end, i, len(told)))
    return Sampler(
        intervals=tuple(intervals),
        solver=Renoise(),
        parametrisation=Preconditioned(settings["sigma_data"], sigma_min=low),
        limit=Clip(1.0) if settings["clip_denoised"] else None,
        init_noise_sigma=high,
    )


def _consistency_decoder(settings: Settings) -> Sampler:
    if settings["steps"] != 2:  # noqa: PLR2004 - what the decoder was trained for
        raise SamplerError("steps", got=settings["steps"], expected="2, for which the decoder was trained")
    if settings["num_train_timesteps"] <= _DECODER_STARTS:
        raise SamplerError(
            "num_train_timesteps", got=settings["num_train_timesteps"], expected=f"more than {_DECODER_STARTS}"
        )
    cosine = {**settings, "beta_schedule": "squaredcos_cap_v2", "trained_betas": None}
    products, data = alphas_cumprod(cosine), settings["sigma_data"]

    def level(t: int) -> Level:
        base = preserving(np.int64(t), float(products[t]))
        return Level(base.t, base.alpha, base.sigma, base.alpha * math.hypot(base.nominal, data), base.nominal)

    levels = [level(_DECODER_STARTS), level(512), preserving(np.int64(0), 1.0)]
    return Sampler(chain(levels), Renoise(), Preconditioned(data), init_noise_sigma=levels[0].sigma)


def _scm(settings: Settings) -> Sampler:
    """Chen et al. 2025, "SANA-Sprint": consistency steps on the circle of TrigFlow."""
    choose(settings, "prediction_type", ("trigflow",))
    steps = None if settings["timesteps"] is not None else steps_of(settings, most=settings["num_train_timesteps"])
    middle, two = settings["intermediate_timesteps"], 2
    if settings["timesteps"] is not None:
        times = as_array(settings["timesteps"], np.float32)
        check_descending(times.tolist(), train_steps=_CIRCLE, inclusive=True, least=2)
        if settings["steps"] not in (None, len(times) - 1):
            raise SamplerError("steps", got=settings["steps"], expected=f"{len(times) - 1}, one less than timesteps")
    elif steps == two:
        times = np.array([settings["max_timesteps"], 1.3 if middle is None else middle, 0], np.float32)
    elif middle is not None:
        raise SamplerError("intermediate_timesteps", got=middle, expected="2 steps beside it")
    else:
        times = linspace32(settings["max_timesteps"], 0.0, int(steps or 0) + 1)
    data = settings["sigma_data"]

    def level(t: np.float32) -> Level:
        return Level(t, math.cos(float(t)), math.sin(float(t)) * data, 1.0, math.tan(float(t)))

    return Sampler(chain([level(t) for t in times]), Renoise(), TrigFlow(data))


_EDM_FIELDS: dict[str, Any] = {
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "sigma_schedule": "karras",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rho": 7.0,
    "final_sigmas_type": "zero",
}
_EDM_DPM_FIELDS: dict[str, Any] = {
    **_EDM_FIELDS,
    **THRESHOLDING,
    "solver_order": 2,
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
}
_COSINE_FIELDS: dict[str, Any] = {
    **_EDM_FIELDS,
    "sigma_min": 0.3,
    "sigma_max": 500,
    "sigma_data": 1.0,
    "sigma_schedule": "exponential",
    "prediction_type": "v_prediction",
    "solver_order": 2,
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
}
_CONSISTENCY_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 40,
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "s_noise": 1.0,
    "rho": 7.0,
    "clip_denoised": True,
}
_SCM_FIELDS: dict[str, Any] = {"num_train_timesteps": 1000, "prediction_type": "trigflow", "sigma_data": 0.5}
_SCM_KEYWORDS: dict[str, Any] = {"max_timesteps": 1.5708, "intermediate_timesteps": None}

READINGS: dict[str, Reading] = {
    "EDMEulerScheduler": Reading(_EDM_FIELDS, _edm_euler, keywords=CHURN),
    "EDMDPMSolverMultistepScheduler": Reading(_EDM_DPM_FIELDS, _edm_dpm),
    "CosineDPMSolverMultistepScheduler": Reading(_COSINE_FIELDS, _cosine_dpm),
    "CMStochasticIterativeScheduler": Reading(_CONSISTENCY_FIELDS, _consistency, frozenset({"timesteps"})),
    "ConsistencyDecoderScheduler": Reading({"num_train_timesteps": 1024, "sigma_data": 0.5}, _consistency_decoder),
    "SCMScheduler": Reading(_SCM_FIELDS, _scm, frozenset({"timesteps"}), _SCM_KEYWORDS),
}
