"""Training schedules of DDPM-like models: betas and their cumulative products, in the reference's float32."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgediff_runtimes.tensors import Floats

_MAX_BETA = 0.999
# Replaces a cumulative product of 0 where log(SNR) must be finite; the reference takes the smallest float16 step.
ALMOST_ZERO = 2.0**-24


def alphas_cumprod(settings: Mapping[str, Any], *, keep_finite: bool = False) -> Floats:
    """The cumulative products of a config's betas, ascending in noise, shape (num_train_timesteps,).

    Args:
        settings: ``num_train_timesteps``, ``beta_start``, ``beta_end``, ``beta_schedule``, ``trained_betas`` and, where
            the class has it, ``rescale_betas_zero_snr``.
        keep_finite: Replace the 0 of a rescaled schedule, for solvers that work in log(SNR).

    Raises:
        SamplerError: the beta schedule is unknown.
    """
    betas = make_betas(settings)
    rescaled = settings.get("rescale_betas_zero_snr", False)
    if rescaled:
        betas = _rescale_zero_terminal_snr(betas)
    products = _cumprod(np.float32(1) - betas)
    if rescaled and keep_finite:
        products[-1] = ALMOST_ZERO
    return products


def make_betas(settings: Mapping[str, Any]) -> Floats:
    """The betas of a config, float32.

    Raises:
        SamplerError: the beta schedule is unknown, or has no ends where it needs them.
    """
    if settings.get("trained_betas") is not None:
        return np.asarray(settings["trained_betas"], dtype=np.float32)
    name, steps = settings["beta_schedule"], settings["num_train_timesteps"]
    makers: dict[str, Callable[[], Floats]] = {
        "linear": lambda: linspace32(settings["beta_start"], settings["beta_end"], steps),
        "scaled_linear": lambda: linspace32(settings["beta_start"] ** 0.5, settings["beta_end"] ** 0.5, steps) ** 2,
        "squaredcos_cap_v2": lambda: _from_alpha_bar(_cosine, steps),
        "exp": lambda: _from_alpha_bar(lambda t: math.exp(t * -12.0), steps),
        "laplace": lambda: _from_alpha_bar(_laplace, steps),
        "sigmoid": lambda: _sigmoid(settings["beta_start"], settings["beta_end"], steps),
    }
    if name not in makers:
        raise SamplerError("beta_schedule", got=name, expected=f"one of {', '.join(makers)}")
    for end in ("beta_start", "beta_end"):
        if name in ("linear", "scaled_linear", "sigmoid") and settings[end] is None:
            raise SamplerError(end, got=None, expected=f"a number, for the schedule `{name}` starts and ends there")
    return makers[name]()


def linspace32(start: float, end: float, steps: int) -> Floats:
    """``torch.linspace`` in float32: counted from both ends with a fused multiply-add, so the last bits agree."""
    if steps == 1:
        return np.array([start], np.float32)
    first, last = np.float32(start), np.float32(end)
    # A float32 product is exact in float64, so one rounding at the end equals the fused multiply-add.
    stride = np.float64(np.float32((last - first) / np.float32(steps - 1)))
    i = np.arange(steps)
    rising, falling = np.float64(first) + stride * i, np.float64(last) - stride * (steps - 1 - i)
    return np.where(i < steps // 2, rising, falling).astype(np.float32)


def _cumprod(alphas: Floats) -> Floats:
    """``torch.cumprod`` of float32 on a CPU: accumulated in float64."""
    return np.cumprod(alphas.astype(np.float64)).astype(np.float32)


def _cosine(t: float) -> float:
    return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2


def _laplace(t: float) -> float:
    log_snr = -0.5 * math.copysign(1, 0.5 - t) * math.log(1 - 2 * math.fabs(0.5 - t) + 1e-6)
    snr = math.exp(log_snr)
    return math.sqrt(snr / (1 + snr))


def _from_alpha_bar(alpha_bar: Callable[[float], float], steps: int) -> Floats:
    """Betas from a continuous cumulative product (Nichol & Dhariwal 2021, equation 17)."""
    betas = [min(1 - alpha_bar((i + 1) / steps) / alpha_bar(i / steps), _MAX_BETA) for i in range(steps)]
    return np.array(betas, np.float32)


def _sigmoid(start: float, end: float, steps: int) -> Floats:
    """Betas of GeoDiff (Xu et al. 2022)."""
    ramp = linspace32(-6, 6, steps)
    return (np.float32(1) / (np.float32(1) + np.exp(-ramp))) * np.float32(end - start) + np.float32(start)


def _rescale_zero_terminal_snr(betas: Floats) -> Floats:
    """Shift and scale sqrt(alpha_bar) so that the last level is pure noise (Lin et al. 2023, algorithm 1)."""
    bar = rescale_products_zero_terminal_snr(_cumprod(np.float32(1) - betas))
    alphas = np.concatenate([bar[:1], bar[1:] / bar[:-1]])
    return (np.float32(1) - alphas).astype(np.float32)


def rescale_products_zero_terminal_snr(products: Floats) -> Floats:
    """The same rescaling of cumulative products themselves, in their own precision."""
    root = np.sqrt(products)
    first, last = root[0], root[-1]
    root = (root - last) * (first / (first - last))
    return np.asarray(root**2)
