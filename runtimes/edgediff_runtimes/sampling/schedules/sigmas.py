"""Noise-level grids between two ends, and the way back from a noise level to a timestep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.schedules.beta_quantile import beta_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from edgediff_runtimes.tensors import Array, Floats

_RHO = 7.0


def training_sigmas(products: Floats) -> Floats:
    """Noise-to-signal ratios of cumulative products: ``sqrt((1 - alpha_bar) / alpha_bar)``, float32."""
    return np.asarray(np.sqrt((np.float32(1) - products) / products))


def karras(first: float, last: float, steps: int, rho: float = _RHO) -> NDArray[np.float64]:
    """Karras et al. 2022, equation 5: evenly spaced in ``sigma^(1 / rho)``."""
    ramp = np.linspace(0, 1, steps)
    return np.asarray((first ** (1 / rho) + ramp * (last ** (1 / rho) - first ** (1 / rho))) ** rho)


def exponential(first: float, last: float, steps: int) -> NDArray[np.float64]:
    """Evenly spaced in ``log(sigma)``."""
    return np.asarray(np.exp(np.linspace(math.log(first), math.log(last), steps)))


def beta(first: float, last: float, steps: int, shape: float = 0.6) -> NDArray[np.float64]:
    """Quantiles of a symmetric beta distribution ("Beta Sampling is All You Need", Lee et al. 2024)."""
    quantiles = [beta_quantile(float(p), shape, shape) for p in 1 - np.linspace(0, 1, steps)]
    return np.array([last + quantile * (first - last) for quantile in quantiles])


GRIDS: dict[str, Callable[[float, float, int], NDArray[np.float64]]] = {
    "use_karras_sigmas": karras,
    "use_exponential_sigmas": exponential,
    "use_beta_sigmas": beta,
}


def chosen_grid(settings: Mapping[str, Any]) -> str | None:
    """The one grid switch that is on, or None.

    Raises:
        SamplerError: more than one is on, or custom timesteps are given beside it.
    """
    chosen = [name for name in GRIDS if settings.get(name)]
    if len(chosen) > 1:
        raise SamplerError(chosen[1], got=True, expected=f"at most one grid, and `{chosen[0]}` is on")
    if chosen and settings.get("timesteps") is not None:
        raise SamplerError(
            chosen[0], got=True, expected="no grid beside custom timesteps", hint="leave out one of them"
        )
    return chosen[0] if chosen else None


def regrid(name: str, settings: Mapping[str, Any], ends: Array, steps: int) -> NDArray[np.float64]:
    """A grid between the first and the last of ``ends``, or ``sigma_max`` and ``sigma_min`` of the settings."""
    low, high = settings.get("sigma_min"), settings.get("sigma_max")
    last = float(ends[-1]) if low is None else low
    first = float(ends[0]) if high is None else high
    return GRIDS[name](first, last, steps)


def sigma_to_t(sigmas: Array, log_sigmas: Floats) -> Array:
    """Timesteps of noise levels, linear in ``log(sigma)`` between the training levels; same shape as ``sigmas``."""
    log_sigma = np.log(np.maximum(sigmas, np.asarray(1e-10, sigmas.dtype)))
    low = np.clip(np.searchsorted(log_sigmas, log_sigma, side="right") - 1, 0, len(log_sigmas) - 2)
    below, above = log_sigmas[low], log_sigmas[low + 1]
    weight = np.clip((below - log_sigma) / (below - above), 0, 1)
    return np.asarray((1 - weight) * low + weight * (low + 1))


def interpolate(timesteps: Array, sigmas: Floats) -> NDArray[np.float64]:
    """Training noise levels at fractional timesteps."""
    return np.interp(timesteps, np.arange(len(sigmas)), sigmas)
