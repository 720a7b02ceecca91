"""Grids that are chosen by name and handed to a sampler as custom timesteps."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.schedules.sigmas import sigma_to_t

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgediff_runtimes.tensors import Array, Floats

# Sabour et al. 2024, "Align Your Steps": the levels of ten steps, published for three models.
_AYS_SIGMAS = {
    "ays": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152),
    "ays_sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113),
    "ays_svd": (700.00, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034),
}
_AYS_TIMESTEPS = {
    "ays": (999, 850, 736, 645, 545, 455, 343, 233, 124, 24),
    "ays_sdxl": (999, 845, 730, 587, 443, 310, 193, 116, 53, 13),
}
# Karras et al. 2022, table 1: how EDM draws the noise levels that it trains on.
_LOGNORMAL = NormalDist(-1.2, 1.2)


def _ays(name: str, steps: int, table: Floats) -> Array:
    """The published timesteps for ten steps; else those of the levels."""
    if steps == len(_AYS_TIMESTEPS[name]):
        return np.array(_AYS_TIMESTEPS[name], np.float64)
    return sigma_to_t(_ays_sigmas(name, steps), np.log(table))


def _ays_sigmas(name: str, steps: int) -> Array:
    """The published levels, interpolated in log(sigma) as their authors do."""
    logs = np.log(_AYS_SIGMAS[name])
    return np.asarray(np.exp(np.interp(np.linspace(0, 1, steps), np.linspace(0, 1, len(logs)), logs)))


def video_sigmas(steps: int) -> list[float]:
    """Align Your Steps for Stable Video Diffusion, as noise levels that leave every training schedule, then 0."""
    return [*map(float, _ays_sigmas("ays_svd", steps)), 0.0]


def _sgm_uniform(_name: str, steps: int, table: Floats) -> Array:
    """Even timesteps for one more step than asked, without the last (Stability AI's generative-models)."""
    return np.linspace(len(table) - 1, 0, steps + 1)[:-1]


def _cosine(_name: str, steps: int, table: Floats) -> Array:
    """Even angles of ``sigma = tan(angle)``: the levels of a cosine schedule between the training ends."""
    angles = np.linspace(math.atan(float(table[-1])), math.atan(float(table[0])), steps)
    return sigma_to_t(np.tan(angles), np.log(table))


def _lognormal(_name: str, steps: int, table: Floats) -> Array:
    """Even quantiles of EDM's training distribution between the training ends."""
    first, last = (_LOGNORMAL.cdf(math.log(float(table[i]))) for i in (-1, 0))
    sigmas = np.array([math.exp(_LOGNORMAL.inv_cdf(p)) for p in np.linspace(first, last, steps)])
    return sigma_to_t(sigmas, np.log(table))


_MAKERS: dict[str, Callable[[str, int, Floats], Array]] = {
    "ays": _ays,
    "ays_sdxl": _ays,
    "sgm_uniform": _sgm_uniform,
    "cosine": _cosine,
    "lognormal": _lognormal,
}
VIDEO_GRID = "ays_svd"
NAMED_GRIDS = (*_MAKERS, VIDEO_GRID)


def named_timesteps(name: str, steps: int, table: Floats) -> list[float]:
    """Descending timesteps of a named grid.

    Args:
        name: One of ``NAMED_GRIDS``.
        steps: How many, at least 1.
        table: The training noise levels, ascending (sigma / alpha by timestep).

    Raises:
        SamplerError: the name is unknown.
    """
    if name not in _MAKERS:
        raise SamplerError("grid", got=name, expected=f"one of {', '.join(_MAKERS)}")
    return [float(t) for t in _MAKERS[name](name, steps, table)]
