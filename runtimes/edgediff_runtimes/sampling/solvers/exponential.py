"""Coefficients of the exponential integrators: what DPM-Solver's steps multiply their differences with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.levels import Level

NOISE_KINDS = ("dpmsolver", "sde-dpmsolver")
SDE_KINDS = ("sde-dpmsolver", "sde-dpmsolver++")
KINDS = ("dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++")


@final
@dataclass(frozen=True, slots=True)
class Exponential:
    """One step ``x_next = carry x + first D0 + midpoint|heun D1 + third D2 + noise z``.

    D0, D1 and D2 are divided differences of the network's answers in half log-SNR, scaled to the width ``h``.
    """

    h: float
    carry: float
    first: float
    midpoint: float
    heun: float
    third: float
    noise: float


def exponential(kind: str, start: Level, end: Level) -> Exponential:
    """Coefficients from one level to another.

    Args:
        kind: ``dpmsolver`` (Lu et al. 2022a, noise prediction), ``dpmsolver++`` (Lu et al. 2022b, data prediction), or
            their SDE variants (Lu et al. 2022b, section 5 and appendix B), which add noise.
        start: Where the step begins; its sigma is above 0.
        end: Where it ends; a clean end (sigma 0) has an infinite width and only the first-order coefficients.
    """
    h = end.log_snr - start.log_snr
    alpha, sigma = end.alpha, end.sigma
    if kind == "dpmsolver++":
        decay = math.expm1(-h)
        carry, scale, unit = sigma / start.sigma, alpha, h
    elif kind == "sde-dpmsolver++":
        decay = math.expm1(-2 * h)
        carry, scale, unit = sigma / start.sigma * math.exp(-h), alpha, 2 * h
    else:
        # In noise prediction the same integrals run the other way: exp(h) in place of exp(-h).
        decay = math.expm1(h)
        carry, scale, unit = alpha / start.alpha, sigma, h
    noise = 0.0
    if kind == "sde-dpmsolver++":
        noise = sigma * math.sqrt(-decay)
    elif kind == "sde-dpmsolver":
        noise = sigma * math.sqrt(math.expm1(2 * h))
        scale = 2 * scale
    first = -scale * decay
    if math.isinf(h) or h == 0:
        return Exponential(h, carry, first, first / 2, 0.0, 0.0, noise)
    if kind in NOISE_KINDS:
        heun, third = -scale * (decay / unit - 1), -scale * ((decay - unit) / unit**2 - 0.5)
    elif kind == "dpmsolver++":
        heun, third = scale * (decay / unit + 1), -scale * ((decay + unit) / unit**2 - 0.5)
    else:
        heun, third = scale * (decay / unit + 1), scale * ((-decay - unit) / unit**2 - 0.5)
    return Exponential(h, carry, first, first / 2, heun, third, noise)
