"""The quantile function of the beta distribution, without SciPy."""

from __future__ import annotations

import math

_ROUNDS = 300
_TINY = 1e-300
_CLOSE = 1e-16


def beta_quantile(p: float, a: float, b: float) -> float:
    """The ``x`` at which the beta distribution with shapes ``a`` and ``b`` has probability ``p`` below it.

    Bisection on the regularised incomplete beta function down to the last bit; ``p`` is in [0, 1], ``a`` and ``b`` are
    above 0.
    """
    if p <= 0 or p >= 1:
        return 0.0 if p <= 0 else 1.0
    low, high = 0.0, 1.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if _regularised(middle, a, b) < p:
            low = middle
        else:
            high = middle


def _regularised(x: float, a: float, b: float) -> float:
    """I_x(a, b), by the continued fraction on the side where it converges fast (DLMF 8.17.22)."""
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Lentz's evaluation of the continued fraction of the incomplete beta function."""
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _ROUNDS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for term in (even, odd):
            d = 1 / _nonzero(1 + term * d)
            c = _nonzero(1 + term / c)
            change = c * d
            value *= change
        if abs(change - 1) < _CLOSE:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
