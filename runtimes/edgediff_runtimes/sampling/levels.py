"""Noise levels and the intervals between them: all that a solver knows of a schedule.

Every diffusion process that edgediff samples has the form ``x = alpha * x0 + sigma * noise``:

- variance preserving (DDPM, DDIM): ``alpha^2 + sigma^2 = 1``; with zero terminal SNR the first level has ``alpha = 0``;
- variance exploding (Karras et al. 2022): ``alpha = 1``, and the network sees ``x / sqrt(sigma^2 + sigma_data^2)``;
- flow (rectified flow): ``alpha = 1 - sigma``;
- trigonometric flow: ``alpha = cos(t)``, ``sigma = sin(t)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    import numpy as np


@final
@dataclass(frozen=True, slots=True)
class Level:
    """One noise level.

    Attributes:
        t: What the network is told, a NumPy scalar of the dtype in which it is told.
        alpha: Factor of the clean sample, from 0 to 1.
        sigma: Factor of the unit-variance noise, 0 or more.
        scale: What ``x`` is divided by before the network sees it.
        nominal: The number by which people call the level: sigma of a flow, sigma / alpha of all others.
    """

    t: np.generic
    alpha: float
    sigma: float
    scale: float
    nominal: float

    @property
    def log_snr(self) -> float:
        """Half the log of the signal-to-noise ratio, ``log(alpha / sigma)``; infinite at the clean end."""
        if self.sigma <= 0:
            return math.inf
        return -math.inf if self.alpha <= 0 else math.log(self.alpha) - math.log(self.sigma)


def preserving(t: np.generic, alpha_bar: float) -> Level:
    """A variance-preserving level of cumulative product ``alpha_bar`` (DDPM's notation)."""
    alpha, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    return Level(t, alpha, sigma, 1.0, sigma / alpha if alpha else math.inf)


def preserving_at(t: np.generic, sigma: float) -> Level:
    """A variance-preserving level whose noise-to-signal ratio is ``sigma``."""
    alpha = 1 / math.sqrt(sigma * sigma + 1)
    return Level(t, alpha, sigma * alpha, 1.0, sigma)


def exploding(t: np.generic, sigma: float, sigma_data: float = 1.0) -> Level:
    """A variance-exploding level; ``sigma_data`` is the data's standard deviation (1 for DDPM-trained networks)."""
    return Level(t, 1.0, sigma, math.sqrt(sigma * sigma + sigma_data * sigma_data), sigma)


def flowing(t: np.generic, sigma: float) -> Level:
    """A level of a straight path from data (``sigma = 0``) to noise (``sigma = 1``)."""
    return Level(t, 1 - sigma, sigma, 1.0, sigma)


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """One step of a schedule: from ``start`` to ``end``.

    Neighbouring intervals need not touch: a step of DDIM ends where a whole stride ends, not at the next timestep.

    Attributes:
        index: Place in the whole schedule, from 0.
        total: Number of steps that the whole schedule was made for.
        via: Further levels that the solver passes through, in the order in which it needs them.
        extra: What only this schedule's own solver knows how to read.
    """

    start: Level
    end: Level
    index: int
    total: int
    via: tuple[Level, ...] = ()
    extra: Any = None

    @property
    def is_last(self) -> bool:
        """Whether the schedule ends here."""
        return self.index == self.total - 1


def chain(levels: list[Level], via: list[tuple[Level, ...]] | None = None) -> tuple[Interval, ...]:
    """Intervals that touch: from each level to the next."""
    total = len(levels) - 1
    passed = via or [()] * total
    return tuple(Interval(levels[i], levels[i + 1], i, total, passed[i]) for i in range(total))
