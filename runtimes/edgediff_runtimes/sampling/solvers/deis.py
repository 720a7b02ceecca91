"""DEIS: exponential integrators with polynomials in log(rho)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from edgediff_runtimes.sampling.solver import Deterministic, OneCall, Outcome, Stateless
from edgediff_runtimes.sampling.solvers.dpm_multistep import FEW_STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgediff_runtimes.noise import NoiseSource
    from edgediff_runtimes.sampling.levels import Interval
    from edgediff_runtimes.sampling.solver import Denoise, State
    from edgediff_runtimes.tensors import Array


@final
@dataclass(frozen=True, slots=True)
class Deis(OneCall, Stateless, Deterministic):
    """Log-rho multistep DEIS (Zhang & Chen 2023, section 4 and appendix H), orders 1 to 3, one call.

    With ``rho = sigma / alpha`` the sample over alpha moves by the integral of the noise over rho, interpolated in
    log(rho). The history is a tuple of (rho, noise) of the last steps, newest last.

    Attributes:
        order: 1, 2 or 3.
        lower_order_final: Lower the order of the last two steps if there are few steps.
    """

    order: int = 2
    lower_order_final: bool = True

    def step(self, denoise: Denoise, x: Array, interval: Interval, state: State, noise: NoiseSource) -> Outcome:  # noqa: ARG002 - one seam
        """Integrate the interpolated noise over the interval."""
        start, end = interval.start, interval.end
        prediction = denoise(x, start)
        history = (*state, (start.sigma / start.alpha, prediction.derived_epsilon()))[-self.order :]
        left, few = interval.total - interval.index, self.lower_order_final and interval.total < FEW_STEPS
        used = history[-min(self.order, left) :] if few else history
        rho, rho_next = start.sigma / start.alpha, end.sigma / end.alpha
        x_next = (end.alpha / start.alpha) * x
        logs = [math.log(node) for node, _ in used]
        for k, (_, epsilon) in enumerate(used):
            weight = _integral(logs, k, rho_next) - _integral(logs, k, rho)
            x_next = x_next + (end.alpha * weight) * epsilon
        return Outcome(x_next, prediction.denoised, history)


def _integral(logs: Sequence[float], k: int, rho: float) -> float:
    """Antiderivative in rho of the k-th Lagrange polynomial in log(rho), at ``rho``."""
    if rho <= 0:
        return 0.0
    others = [log for j, log in enumerate(logs) if j != k]
    scale = math.prod(logs[k] - other for other in others)
    u = math.log(rho)
    # Integrals of 1, log and log^2: rho, rho (u - 1) and rho (u^2 - 2 u + 2).
    if not others:
        return rho
    if len(others) == 1:
        return rho * (u - 1 - others[0]) / scale
    total, product = others[0] + others[1], others[0] * others[1]
    return rho * (u * u - 2 * u + 2 - total * (u - 1) + product) / scale
