"""Further samplers on whole timesteps: PNDM, TCD, inversion, CogVideoX, UnCLIP, RePaint; and Wuerstchen's ratios."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval, chain, preserving
from edgediff_runtimes.sampling.limits import Clip
from edgediff_runtimes.sampling.prediction import Epsilon
from edgediff_runtimes.sampling.reading.discrete_time import (
    DDIM_FIELDS,
    LCM_FIELDS,
    LCM_KEYWORDS,
    PREDICTIONS,
    distilled_timesteps,
    eta_of,
    final_product,
    level_at,
    spaced_timesteps,
    strided,
)
from edgediff_runtimes.sampling.reading.settings import (
    BETAS,
    Reading,
    as_array,
    choose,
    limit,
    parametrisation,
    steps_of,
)
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import (
    alphas_cumprod,
    linspace32,
    make_betas,
    rescale_products_zero_terminal_snr,
)
from edgediff_runtimes.sampling.schedules.spacing import check_descending, spaced
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.sampling.solvers.ddpm import Ddpm
from edgediff_runtimes.sampling.solvers.dpm_multistep import DpmMultistep
from edgediff_runtimes.sampling.solvers.pndm import Pndm
from edgediff_runtimes.sampling.solvers.repaint import RePaint
from edgediff_runtimes.sampling.solvers.tcd import Tcd

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgediff_runtimes.sampling.levels import Level
    from edgediff_runtimes.sampling.reading.settings import Settings
    from edgediff_runtimes.tensors import Array

# Start, end, the levels passed through, and the stage of a Runge-Kutta step.
_Row: TypeAlias = "tuple[Level, Level, tuple[Level, ...], int | None]"
_RUNGE_KUTTA_STEPS = 3
_PNDM_ORDER = 4


def _pndm(settings: Settings) -> Sampler:
    train, steps = settings["num_train_timesteps"], steps_of(settings, most=settings["num_train_timesteps"])
    products, stride = alphas_cumprod(settings), train // steps
    final = final_product(settings, products)
    timesteps = spaced_timesteps(settings, steps).tolist()

    def level(t: int) -> Level:
        return level_at(products, t, final)

    if settings["skip_prk_steps"]:
        calls = [timesteps[0], *timesteps[1:2], *timesteps[1:]] if steps > 1 else timesteps
        rows: list[_Row] = [(level(t), level(t - stride), (level(min(t + stride, train - 1)),), None) for t in calls]
    elif steps < _PNDM_ORDER:
        hint = "take more steps, or `skip_prk_steps=True`"
        raise SamplerError("steps", got=steps, expected=f"at least {_PNDM_ORDER} with Runge-Kutta steps", hint=hint)
    else:
        rows = _runge_kutta_rows(timesteps, stride // 2, level)
        rows += [(level(t), level(t - stride), (), None) for t in timesteps[_RUNGE_KUTTA_STEPS:]]
    return Sampler(
        intervals=tuple(Interval(a, b, i, steps, via, extra) for i, (a, b, via, extra) in enumerate(rows)),
        solver=Pndm(),
        parametrisation=parametrisation(settings, ("epsilon", "v_prediction")),
        whole="" if settings["skip_prk_steps"] else "set `skip_prk_steps=True`",
    )


def _runge_kutta_rows(timesteps: list[int], half: int, level: Callable[[int], Level]) -> list[_Row]:
    """Four calls for each of the first three steps: at its start, twice at its middle, at its end."""
    rows: list[_Row] = []
    for t, below in pairwise(timesteps[: _RUNGE_KUTTA_STEPS + 1]):
        base, middle = (level(t),), below + half
        rows += [
            (level(t), level(t - half), base, 0),
            (level(middle), level(middle), base, 1),
            (level(middle), level(middle - half), base, 2),
            (level(below), level(below), base, 3),
        ]
    return rows


def _tcd(settings: Settings) -> Sampler:
    products = alphas_cumprod(settings)
    timesteps, eta = distilled_timesteps(settings), eta_of(settings, default=0.3)
    intervals = []
    for i, t in enumerate(timesteps):
        is_last = i == len(timesteps) - 1
        below = 0 if is_last else timesteps[i + 1]
        lower = level_at(products, math.floor((1 - eta) * below))
        end = lower if is_last or eta == 0 else level_at(products, below)
        intervals.append(Interval(level_at(products, t), end, i, len(timesteps), (lower,)))
    return Sampler(tuple(intervals), Tcd(), parametrisation(settings, PREDICTIONS))


def _ddim_inverse(settings: Settings) -> Sampler:
    train, steps = settings["num_train_timesteps"], steps_of(settings, most=settings["num_train_timesteps"])
    spacing = choose(settings, "timestep_spacing", ("leading", "trailing"))
    products, stride = alphas_cumprod(settings), train // steps
    grid = spaced(spacing, steps=steps, train_steps=train, offset=settings["steps_offset"])
    initial = final_product(settings, products)
    intervals = []
    for i, t in enumerate(int(t) for t in grid[::-1]):
        below = min(t - stride, train - 1)
        start = preserving(np.int64(t), float(products[below]) if below >= 0 else initial)
        intervals.append(Interval(start, level_at(products, t), i, steps))
    return Sampler(
        intervals=tuple(intervals),
        solver=Ddim(),
        parametrisation=parametrisation(settings, PREDICTIONS),
        limit=limit(settings),
        whole="an inversion starts from the picture itself: pass it as `noise`",
    )


def _shifted_products(settings: Settings) -> Array:
    """CogVideoX's products: their SNR divided by ``snr_shift_scale``, then rescaled, in float64 where scaled-linear."""
    betas: Array = make_betas(settings)
    if settings["trained_betas"] is None and settings["beta_schedule"] == "scaled_linear":
        root = np.linspace(settings["beta_start"] ** 0.5, settings["beta_end"] ** 0.5, settings["num_train_timesteps"])
        betas = root**2
    products = np.cumprod(1 - betas.astype(np.float64)).astype(betas.dtype)
    scale = settings["snr_shift_scale"]
    products = products / (scale + (1 - scale) * products)
    return rescale_products_zero_terminal_snr(products) if settings["rescale_betas_zero_snr"] else products


def _cogvideox(settings: Settings, solver: Ddim | DpmMultistep) -> Sampler:
    steps = steps_of(settings, most=settings["num_train_timesteps"])
    products = _shifted_products(settings)
    timesteps = spaced_timesteps(settings, steps).tolist()
    stride = settings["num_train_timesteps"] // steps
    return Sampler(
        intervals=strided(products, timesteps, stride=stride, final=final_product(settings, products)),
        solver=solver,
        parametrisation=parametrisation(settings, PREDICTIONS),
    )


def _cogvideox_ddim(settings: Settings) -> Sampler:
    return _cogvideox(settings, Ddim(derived=True))


def _cogvideox_dpm(settings: Settings) -> Sampler:
    return _cogvideox(settings, DpmMultistep(kind="sde-dpmsolver++", lower_order_final=False, discards=True))


def _unclip(settings: Settings) -> Sampler:
    train, steps = settings["num_train_timesteps"], steps_of(settings, most=settings["num_train_timesteps"])
    choose(settings, "beta_schedule", ("squaredcos_cap_v2",))
    variance = choose(settings, "variance_type", ("fixed_small_log", "learned_range"))
    few = 2
    if steps < few:
        raise SamplerError("steps", got=steps, expected="at least 2, the first and the last timestep")
    products = alphas_cumprod({**settings, "trained_betas": None})
    timesteps = (np.arange(steps) * ((train - 1) / (steps - 1))).round()[::-1].astype(np.int64).tolist()
    intervals = chain([level_at(products, t) for t in (*timesteps, -1)])
    # The reference takes a stride of 1 from the table of betas, which is finer than float32 products near 1 are.
    betas = make_betas({**settings, "trained_betas": None})
    steps_of_one = {i for i, t in enumerate(timesteps) if intervals[i].end.t.item() == t - 1}
    return Sampler(
        intervals=tuple(
            replace(v, extra=float(betas[timesteps[i]])) if i in steps_of_one else v for i, v in enumerate(intervals)
        ),
        solver=Ddpm("learned_range" if variance == "learned_range" else "fixed_small"),
        parametrisation=parametrisation(settings, ("epsilon", "sample")),
        limit=limit(settings),
    )


def _repaint(settings: Settings) -> Sampler:
    train = settings["num_train_timesteps"]
    steps = min(steps_of(settings), train)
    if settings["original_image"] is None or settings["mask"] is None:
        hint = "give both as arrays, the mask 1 where the picture is kept"
        raise SamplerError("original_image", got=None, expected="`original_image` and `mask`", hint=hint)
    betas, products, stride = make_betas(settings), alphas_cumprod(settings), train // steps
    walk = _jumps(steps, settings["jump_length"], settings["jump_n_sample"])
    intervals = []
    for i, place in enumerate(walk):
        t, before = place * stride, walk[i - 1] * stride if i else train
        extra = tuple(float(b) for b in betas[before : before + stride]) if t > before else None
        start = level_at(products, before if extra else t)
        intervals.append(Interval(start, level_at(products, t if extra else t - stride), i, len(walk), (), extra))
    return Sampler(
        intervals=tuple(intervals),
        solver=RePaint(
            as_array(settings["original_image"], np.float32), as_array(settings["mask"], np.float32), settings["eta"]
        ),
        parametrisation=Epsilon(),
        limit=Clip(1.0) if settings["clip_sample"] else None,
        whole="RePaint starts from noise and takes the picture as `original_image`",
    )


def _jumps(steps: int, length: int, samples: int) -> list[int]:
    """RePaint's walk (Lugmayr et al. 2022, figure 9): down, with ``samples - 1`` jumps back every ``length`` steps."""
    left = dict.fromkeys(range(0, steps - length, length), samples - 1)
    walk, t = [], steps
    while t >= 1:
        t -= 1
        walk.append(t)
        if left.get(t, 0) > 0:
            left[t] -= 1
            walk += range(t + 1, t + length + 1)
            t += length
    return walk


def _wuerstchen(settings: Settings) -> Sampler:
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


_COG_FIELDS: dict[str, Any] = {
    **{
        name: value for name, value in DDIM_FIELDS.items() if name not in ("thresholding", "dynamic_thresholding_ratio")
    },
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "snr_shift_scale": 3.0,
}
_INVERSE_FIELDS: dict[str, Any] = {
    name: value
    for name, value in DDIM_FIELDS.items()
    if name not in ("thresholding", "dynamic_thresholding_ratio", "sample_max_value")
}
_PNDM_FIELDS: dict[str, Any] = {
    **BETAS,
    "skip_prk_steps": False,
    "set_alpha_to_one": False,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 0,
}
_UNCLIP_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "variance_type": "fixed_small_log",
    "clip_sample": True,
    "clip_sample_range": 1.0,
    "prediction_type": "epsilon",
    "beta_schedule": "squaredcos_cap_v2",
}
_REPAINT_KEYWORDS: dict[str, Any] = {"jump_length": 10, "jump_n_sample": 10, "original_image": None, "mask": None}

READINGS: dict[str, Reading] = {
    "PNDMScheduler": Reading(_PNDM_FIELDS, _pndm),
    "TCDScheduler": Reading(LCM_FIELDS, _tcd, frozenset({"timesteps", "eta"}), LCM_KEYWORDS),
    "DDIMInverseScheduler": Reading(_INVERSE_FIELDS, _ddim_inverse),
    "CogVideoXDDIMScheduler": Reading(_COG_FIELDS, _cogvideox_ddim),
    "CogVideoXDPMScheduler": Reading(_COG_FIELDS, _cogvideox_dpm),
    "UnCLIPScheduler": Reading(_UNCLIP_FIELDS, _unclip),
    "RePaintScheduler": Reading(
        {**BETAS, "eta": 0.0, "clip_sample": True}, _repaint, frozenset({"eta"}), _REPAINT_KEYWORDS
    ),
    "DDPMWuerstchenScheduler": Reading({"scaler": 1.0, "s": 0.008}, _wuerstchen, frozenset({"timesteps"})),
}
