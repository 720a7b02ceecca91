"""Euler's method with churn, as its keywords say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from edgediff_runtimes.sampling.solvers.churn import ChurnedEuler
from edgediff_runtimes.sampling.solvers.ddim import Ddim

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.sampling.solver import Solver


def churned(settings: Settings, *, reread: bool) -> Solver:
    """Euler's method, with churn if the caller asks for it."""
    if settings["s_churn"] == 0:
        return Ddim()
    return ChurnedEuler(settings["s_churn"], settings["s_tmin"], settings["s_tmax"], settings["s_noise"], reread)


CHURN: dict[str, Any] = {"s_churn": 0.0, "s_tmin": 0.0, "s_tmax": math.inf, "s_noise": 1.0}
