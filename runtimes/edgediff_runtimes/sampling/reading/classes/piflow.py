"""The policies of pi-Flow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling.levels import chain, flowing
from edgediff_runtimes.sampling.reading.shared.flow import shifted
from edgediff_runtimes.sampling.reading.shared.settings import Reading, steps_of
from edgediff_runtimes.sampling.sampler import Sampler
from edgediff_runtimes.sampling.solvers.piflow import Piflow, PolicyFlow

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.reading.shared.settings import Settings


def _build(settings: Settings) -> Sampler:
    steps, few = steps_of(settings), 2
    if settings["n_grid"] < few:
        raise SamplerError("n_grid", got=settings["n_grid"], expected="at least 2 velocities per call")
    for name in ("eps", "num_policy_substeps", "final_step_size_scale"):
        if settings[name] <= 0:
            raise SamplerError(name, got=settings[name], expected="a number above 0")
    stride = 1.0 / (steps - (1.0 - settings["final_step_size_scale"]))
    times = (1 - np.arange(steps, dtype=np.float32) * np.float32(stride)).astype(np.float32)
    sigmas = shifted(times, float(settings["shift"]))
    levels = [flowing(s * np.float32(settings["num_train_timesteps"]), float(s)) for s in (*sigmas, np.float32(0))]
    ends = [*map(float, times[1:]), settings["eps"]]
    intervals = tuple(replace(interval, extra=(float(times[i]), ends[i])) for i, interval in enumerate(chain(levels)))
    network = PolicyFlow(settings["n_grid"])
    solver = Piflow(network, float(settings["shift"]), settings["num_policy_substeps"], settings["eps"])
    return Sampler(intervals, solver, network, like_sample=False, fractional_strength=True)


_FIELDS: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "shift": 5.0,
    "n_grid": 10,
    "eps": 1e-6,
    "final_step_size_scale": 0.5,
    "num_policy_substeps": 128,
}

READING = Reading(_FIELDS, _build)
