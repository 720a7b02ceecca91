"""Data that is normal with a known mean and width: its true network, and its probability flow in closed form."""

from __future__ import annotations

import math

import numpy as np

from edgediff_runtimes.sampling import PredictionPair, build_sampler, sampler_config
from edgediff_runtimes.sampling.levels import Level
from edgediff_runtimes.sampling.solvers.cfg_plus_plus import CfgPlusPlus

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "linspace"}
BASE = {"_class_name": "DDIMScheduler", "clip_sample": False, "original_inference_steps": 50, **SD}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
MEAN, WIDTH = 0.7, 0.9


def sampler_of(name: str, steps: int, **options):
    return build_sampler(sampler_config(name, FLOW if name.startswith("flow") else BASE), steps, **options)


def posterior(x, level: Level):
    """The mean of the clean sample given the noisy one, for data that is normal with MEAN and WIDTH."""
    a, s = level.alpha, level.sigma
    return MEAN + (a * WIDTH**2 / (a * a * WIDTH**2 + s * s)) * (x - a * MEAN)


def spread(level: Level) -> float:
    return math.hypot(level.alpha * WIDTH, level.sigma)


def exact(x, start: Level, end: Level):
    """The probability flow of that data, in closed form."""
    return end.alpha * MEAN + spread(end) / spread(start) * (x - start.alpha * MEAN)


def gaussian_network(sampler):
    """The true network of the Gaussian data, in the sampler's own parametrisation."""
    levels = {float(v.t): v for i in sampler.intervals for v in sampler.solver.calls(i)}

    def model(seen, t):
        level = levels[float(t)]
        x = seen * level.scale
        clean = posterior(x, level)
        noise = (x - level.alpha * clean) / level.sigma
        if isinstance(sampler.solver, CfgPlusPlus):
            return PredictionPair(noise.astype(np.float32), noise.astype(np.float32))
        return (noise - clean if sampler.parametrisation.name == "flow_prediction" else noise).astype(np.float32)

    return model
