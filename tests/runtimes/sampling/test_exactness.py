"""Measured orders of the solvers that need grids of their own, grids by suffix, and exact recovery of a Gaussian."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from gaussian_data import BASE, FLOW, MEAN, WIDTH, exact, gaussian_network, posterior, sampler_of, spread

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler, sampler_config, sampler_table
from edgediff_runtimes.sampling.levels import Interval, exploding
from edgediff_runtimes.sampling.prediction import Clean, Denoiser, Epsilon
from edgediff_runtimes.sampling.reading.table import READINGS
from edgediff_runtimes.sampling.schedules.named_grids import NAMED_GRIDS, VIDEO_GRID
from edgediff_runtimes.sampling.solvers.er_sde import ErSde

SWITCHES = {f"use_{grid}_sigmas": grid for grid in ("karras", "exponential", "beta")}
SPACINGS = ("leading", "trailing", "linspace")


def suffixes_of(info) -> list[str]:
    """Every grid that may follow a sampler's name."""
    reading = READINGS[info.class_name]
    found = [grid for switch, grid in SWITCHES.items() if switch in reading.fields]
    if "timestep_spacing" in reading.fields:
        found += SPACINGS
    if "timesteps" in reading.takes and "beta_schedule" in reading.fields:
        found += [grid for grid in NAMED_GRIDS if grid != VIDEO_GRID]
    return found + (
        [VIDEO_GRID] if {"timesteps", "sigmas"} <= reading.takes and "beta_schedule" in reading.fields else []
    )


@pytest.mark.parametrize(
    ("name", "suffix"), [(info.name, suffix) for info in sampler_table() for suffix in suffixes_of(info)]
)
def test_grids_by_suffix_fall_strictly(name: str, suffix: str) -> None:
    for steps in (4, 10, 20, 50):
        sampler = sampler_of(f"{name}_{suffix}", steps)
        starts = [interval.start.nominal for interval in sampler.intervals]
        if name in ("pndm", "plms"):
            starts = sorted(set(starts), reverse=True)  # these ask at some levels more than once
        assert all(a > b for a, b in pairwise(starts))
        assert sampler.intervals[-1].end.nominal <= starts[-1]


def recovery_error(name: str, steps: int) -> float:
    """The largest distance, element by element, of the sample from the probability flow of its noise."""
    # Trailing timesteps are a whole stride apart down to the clean end, where 1000 is a multiple of the steps.
    base = FLOW if name.startswith("flow") else {**BASE, "timestep_spacing": "trailing"}
    sampler = build_sampler(sampler_config(name, base), steps)
    noise = noise_source(1).standard_normal((1, 1, 16, 16))
    start, end = sampler.intervals[0].start, sampler.intervals[-1].end
    x = sampler.sample(gaussian_network(sampler), noise, rng=noise_source(2))
    return float(np.abs(x - exact(noise * sampler.init_noise_sigma, start, end)).max())


@pytest.mark.parametrize("name", [info.name for info in sampler_table() if not info.stochastic])
def test_ode_samplers_recover_a_gaussian_element_by_element(name: str) -> None:
    few, many = recovery_error(name, 25), recovery_error(name, 200)
    assert many < 0.04, (few, many)
    assert many < few / 3, (few, many)


def pndm_error(steps: int, *, linear: bool) -> float:
    """PNDM's error at a quarter of a schedule of 3840 timesteps, in float64."""
    train = 3840
    betas = {"beta_start": 0.1 / train, "beta_end": 20 / train, "num_train_timesteps": train}
    sampler = build_sampler({"_class_name": "PNDMScheduler", "skip_prk_steps": linear, **betas}, steps)
    by_t = {float(interval.start.t): interval.start for interval in sampler.intervals}

    def network(x, t):
        level = by_t[float(t)]
        return (x - level.alpha * posterior(x, level)) / level.sigma

    denoise, rng, first = Denoiser(network, Epsilon()), noise_source(0), sampler.intervals[0].start
    x = start = np.linspace(-1.0, 2.0, 7)[None] * spread(first)
    state = sampler.solver.init(x, sampler.intervals, rng)
    for interval in sampler.intervals:
        x, _, state = sampler.solver.step(denoise, x, interval, state, rng)
        if interval.end.t == train // 4 and interval.extra is None:
            return float(np.abs(x - exact(start, first, interval.end)).max())
    raise AssertionError


@pytest.mark.parametrize("linear", [True, False], ids=["plms", "pndm"])
def test_pndm_has_order_2(linear: bool) -> None:  # noqa: FBT001 - a parameter of the test
    slope = math.log2(pndm_error(96, linear=linear) / pndm_error(192, linear=linear))
    assert abs(slope - 2) <= 0.3, slope


def er_sde_mean(x, first: float, last: float):
    """The mean of ER-SDE for the Gaussian data: dx = (log phi)'(sigma) (x - denoised) dsigma, by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    span = math.log(last / first)
    sigma = np.exp(math.log(first) + span * (nodes + 1) / 2)
    # d log phi / d log sigma of phi = sigma * (exp(sigma^0.3) + 10)
    growth = 1 + 0.3 * sigma**0.3 * np.exp(sigma**0.3) / (np.exp(sigma**0.3) + 10)
    rate = growth * sigma**2 / (WIDTH**2 + sigma**2)
    return MEAN + (x - MEAN) * math.exp(float(weights @ rate) * span / 2)


def er_sde_error(steps: int, stages: int) -> float:
    sigmas = np.exp(np.linspace(math.log(8.0), math.log(0.4), steps + 1))
    levels = [exploding(np.float64(i), float(s)) for i, s in enumerate(sigmas)]
    denoise = Denoiser(lambda x, t: posterior(x * levels[int(t)].scale, levels[int(t)]), Clean())
    solver, rng, state = ErSde(stages=stages, s_noise=0.0), noise_source(0), ()
    x = start = np.linspace(-1.0, 2.0, 7)[None] * spread(levels[0])
    for i in range(steps):
        x, _, state = solver.step(denoise, x, Interval(levels[i], levels[i + 1], i, steps), state, rng)
        if i < stages - 1:  # so that the history is exact
            x = er_sde_mean(start, 8.0, float(sigmas[i + 1]))
    return float(np.abs(x - er_sde_mean(start, 8.0, 0.4)).max())


@pytest.mark.parametrize(("stages", "order"), [(1, 1), (2, 2), (3, 2)])
def test_order_of_the_mean_of_er_sde(stages: int, order: int) -> None:
    # Few steps: from a hundred on, the published sum over 200 points weighs more than the steps and the slope sinks.
    slope = math.log2(er_sde_error(16, stages) / er_sde_error(32, stages))
    assert abs(slope - order) <= 0.3, slope
