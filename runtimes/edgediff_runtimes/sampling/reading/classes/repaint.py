"""RePaint's walk up and down the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import Interval
from edgediff_runtimes.sampling.limits import Clip
from edgediff_runtimes.sampling.prediction import Epsilon
from edgediff_runtimes.sampling.reading.shared.discrete_time import level_at
from edgediff_runtimes.sampling.reading.shared.settings import BETAS, Reading, as_array, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod, make_betas
from edgediff_runtimes.sampling.solvers.repaint import RePaint

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
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


_KEYWORDS: dict[str, Any] = {"jump_length": 10, "jump_n_sample": 10, "original_image": None, "mask": None}

READING = Reading({**BETAS, "eta": 0.0, "clip_sample": True}, _build, frozenset({"eta"}), _KEYWORDS)
