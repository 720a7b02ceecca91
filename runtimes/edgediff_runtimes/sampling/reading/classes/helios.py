"""Helios: UniPC or Euler's method, in one stage or several."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing
from edgediff_runtimes.sampling.prediction import Flow
from edgediff_runtimes.sampling.reading.shared.flow import check_flow, dynamically_shifted, shifted
from edgediff_runtimes.sampling.reading.shared.settings import Reading, choose, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.sampling.solvers.unipc import UniPc

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings
    from edgediff_runtimes.tensors import Array

# The clean end that keeps log(SNR) finite, as in the reference.
_ALMOST_CLEAN = 1e-8


def _build(settings: Settings) -> Sampler:
    check_flow(settings)
    choose(settings, "prediction_type", ("flow_prediction",))
    choose(settings, "use_flow_sigmas", (True,))
    choose(settings, "thresholding", (False,))
    kind = choose(settings, "scheduler_type", ("unipc", "euler"))
    steps, stages = steps_of(settings), settings["stages"]
    if stages == 1:
        sigmas, timesteps = _single(settings, steps)
    else:
        sigmas, timesteps = _staged(settings, steps)
    if kind == "euler":
        solver: Ddim | UniPc = Ddim()
    else:
        rule = choose(settings, "solver_type", ("bh1", "bh2", "midpoint", "heun", "logrho"))
        if rule == "bh1" and sigmas[0] == 1:
            # The width of the step from pure noise is infinite, and this rule multiplies with it.
            raise SamplerError("solver_type", got="bh1", expected="`bh2` where the first level is pure noise")
        solver = UniPc(
            order=choose(settings, "solver_order", (1, 2, 3)),
            bh1=rule == "bh1",
            lower_order_final=settings["lower_order_final"],
            uncorrected=frozenset(settings["disable_corrector"]),
        )
    last = 0.0 if kind == "euler" else _ALMOST_CLEAN
    levels = [flowing(t, float(s)) for t, s in zip([*timesteps, timesteps.dtype.type(0)], [*sigmas, last], strict=True)]
    return Sampler(chain(levels), solver, Flow(), fractional_strength=True)


def _single(settings: Settings, steps: int) -> tuple[Array, Array]:
    train = settings["num_train_timesteps"]
    sigmas: Array = np.linspace(1, 1 / train, steps + 1)[:-1].astype(np.float32)
    if settings["use_dynamic_shifting"]:
        sigmas = dynamically_shifted(settings, sigmas)
    elif settings["shift"] != 1:
        sigmas = dynamically_shifted({**settings, "mu": settings["shift"]}, sigmas)
    return sigmas, sigmas * train


def _staged(settings: Settings, steps: int) -> tuple[Array, Array]:
    """One stage's even levels, and the timesteps that the stage covers (Helios; pyramidal flow, Jin et al. 2024)."""
    stage, stages, train = settings["stage_index"], settings["stages"], settings["num_train_timesteps"]
    if stage not in range(stages):
        hint = "a video pipeline runs the stages one after the other, each with its own sampler"
        raise SamplerError("stage_index", got=stage, expected=f"0 to {stages - 1}, the stage to sample", hint=hint)
    shares = settings["stage_range"]
    if len(shares) != stages + 1 or not all(0 <= a < b <= 1 for a, b in pairwise(shares)):
        raise SamplerError("stage_range", got=shares, expected=f"{stages + 1} numbers that rise from 0 to 1")
    table = np.flip(shifted(1.0 - np.linspace(1, 1 / train, train + 1), settings["shift"]))[:-1]
    bounds, distances = [int(share * train) for share in shares], []
    for i in range(stages):
        start = float(table[max(bounds[i], 0)])
        end = float(table[bounds[i + 1]]) if bounds[i + 1] < train else 0.0
        if i:
            clean, gamma = 1 - start, settings["gamma"]
            start = 1 - clean / (math.sqrt(1 + 1 / gamma) * (1 - clean) + clean)
        distances.append(start - end)
    total = sum(distances)
    first = sum(distances[:stage]) / total if stage else 0.0
    last = sum(distances[: stage + 1]) / total if stage < stages - 1 else 0.9999999999999999
    told = table * train
    ends = min(told[int(first * train)], 999), told[min(int(last * train), train - 1)]
    times = np.linspace(*ends, train + 1)[:-1]
    levels = np.linspace(0.999, 0, train + 1)[:-1]
    sigmas, timesteps = np.linspace(levels[0], levels[-1], steps), np.linspace(times[0], times[-1], steps)
    if settings["use_dynamic_shifting"]:
        sigmas = dynamically_shifted(settings, sigmas)
        timesteps = times.min() + sigmas * (times.max() - times.min())
    return sigmas, timesteps


_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "shift": 1.0,
    "stages": 3,
    "stage_range": [0, 1 / 3, 2 / 3, 1],
    "gamma": 1 / 3,
    "thresholding": False,
    "prediction_type": "flow_prediction",
    "solver_order": 2,
    "predict_x0": True,
    "solver_type": "bh2",
    "lower_order_final": True,
    "disable_corrector": [],
    "solver_p": None,
    "use_flow_sigmas": True,
    "scheduler_type": "unipc",
    "use_dynamic_shifting": False,
    "time_shift_type": "exponential",
}

READING = Reading(_FIELDS, _build, frozenset({"mu"}), {"stage_index": None})
