"""Which of the training timesteps a run visits: leading, trailing, linspace (Lin et al. 2023, table 2)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from edgediff_runtimes.errors import SamplerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SPACINGS = ("leading", "trailing", "linspace")


def spaced(
    spacing: str, *, steps: int, train_steps: int, offset: int = 0, last: int | None = None, extra: int = 0
) -> NDArray[np.float64]:
    """Descending timesteps, as float64 whole numbers except for ``linspace``, which leaves the rounding to the caller.

    Args:
        spacing: ``leading``, ``trailing`` or ``linspace``.
        steps: How many.
        train_steps: How many the model was trained with.
        offset: Added to leading timesteps.
        last: One above the noisiest timestep that may be visited (default: ``train_steps``).
        extra: 1 if the spacing is made for one more step, whose cleanest timestep is then left out.

    Raises:
        SamplerError: the spacing is unknown, or there are more steps than timesteps.
    """
    last = train_steps if last is None else last
    if spacing == "linspace":
        return np.linspace(0, last - 1, steps + extra)[::-1][: steps or None]
    if spacing == "leading":
        stride = last // (steps + extra)
        if stride < 1:
            hint = f"take at most {last - extra} steps, or the spacing `trailing`"
            raise SamplerError("steps", got=steps, expected=f"at most {last - extra} with leading spacing", hint=hint)
        return (np.arange(0, steps + extra) * stride)[::-1][:steps].astype(np.float64) + offset
    if spacing == "trailing":
        return np.round(np.arange(last, 0, -train_steps / steps)) - 1
    raise SamplerError("timestep_spacing", got=spacing, expected=f"one of {', '.join(_SPACINGS)}")


def check_descending(
    timesteps: Sequence[float], *, train_steps: float, inclusive: bool = False, least: int = 1
) -> None:
    """Refuse custom timesteps that do not fall, or that lie outside of the training schedule.

    Args:
        timesteps: As given, any numbers.
        train_steps: Where the training schedule ends.
        inclusive: Whether that end may be visited itself.
        least: How many there must be.

    Raises:
        SamplerError: as said.
    """
    falls = len(timesteps) >= least and all(a > b for a, b in pairwise(timesteps))
    if not falls or timesteps[-1] < 0 or timesteps[0] > train_steps or (timesteps[0] == train_steps and not inclusive):
        start = f"from {'at most' if inclusive else 'below'} {train_steps:g} down to at least 0"
        count = f"at least {least} " if least > 1 else ""
        raise SamplerError("timesteps", got=list(timesteps), expected=f"{count}numbers that fall, {start}")
