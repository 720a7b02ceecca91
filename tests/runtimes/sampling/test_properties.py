"""What must hold of every sampler, whoever else computes it: order, recovery of a Gaussian, grids, resuming."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from gaussian_data import MEAN, SD, WIDTH, exact, gaussian_network, posterior, sampler_of, spread

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.noise import image_seeds, noise_source, per_image
from edgediff_runtimes.sampling import build_sampler, sampler_names, sampler_table
from edgediff_runtimes.sampling.levels import Interval, exploding, flowing, preserving_at
from edgediff_runtimes.sampling.prediction import Clean, Denoiser
from edgediff_runtimes.sampling.schedules.named_grids import NAMED_GRIDS, VIDEO_GRID
from edgediff_runtimes.sampling.solvers.churn import ChurnedEuler
from edgediff_runtimes.sampling.solvers.ddim import Ddim
from edgediff_runtimes.sampling.solvers.deis import Deis
from edgediff_runtimes.sampling.solvers.dpm_multistep import DpmMultistep
from edgediff_runtimes.sampling.solvers.dpm_singlestep import DpmSinglestep, singlestep_orders
from edgediff_runtimes.sampling.solvers.dpmpp_2s_ancestral import Dpmpp2sAncestral
from edgediff_runtimes.sampling.solvers.er_sde import ErSde
from edgediff_runtimes.sampling.solvers.flow_ancestral import FlowAncestral
from edgediff_runtimes.sampling.solvers.heun import Heun
from edgediff_runtimes.sampling.solvers.kdpm2 import Kdpm2
from edgediff_runtimes.sampling.solvers.lms import Lms
from edgediff_runtimes.sampling.solvers.sa_solver import SaSolver
from edgediff_runtimes.sampling.solvers.unipc import UniPc


def error(solver, kind, steps: int, *, exact_starts: int) -> float:
    """The error at the end of an even grid in log(SNR); the first steps are put right, so that histories are exact."""
    sigmas = np.exp(np.linspace(math.log(8.0), math.log(0.4), steps + 1))
    if kind is flowing:
        sigmas = sigmas / (1 + sigmas)
    levels = [kind(np.float64(i), float(s)) for i, s in enumerate(sigmas)]
    denoise = Denoiser(lambda x, t: posterior(x * by_t[float(t)].scale, by_t[float(t)]), Clean())
    middles = [kind(np.float64(steps + 1 + i), math.sqrt(a * b)) for i, (a, b) in enumerate(pairwise(sigmas))]
    by_t = {float(level.t): level for level in (*levels, *middles)}
    x = np.linspace(-1.0, 2.0, 7)[None] * spread(levels[0])
    start, rng = x, noise_source(0)
    intervals = [Interval(levels[i], levels[i + 1], i, steps, (middles[i],)) for i in range(steps)]
    state = solver.init(x, intervals, rng)
    for i, interval in enumerate(intervals):
        x, _, state = solver.step(denoise, x, interval, state, rng)
        if i < exact_starts:
            x = exact(start, levels[0], interval.end)
            if isinstance(solver, UniPc):  # its corrector starts from the sample it remembers
                state = (state[0], exact(start, levels[0], interval.start), state[2])
    return float(np.abs(x - exact(start, levels[0], levels[-1])).max())


ODE_SOLVERS = [
    ("euler", lambda _n: Ddim(), exploding, 1, 0),
    ("ddim", lambda _n: Ddim(), preserving_at, 1, 0),
    ("flow euler", lambda _n: Ddim(), flowing, 1, 0),
    ("heun", lambda _n: Heun(), exploding, 2, 0),
    ("flow heun", lambda _n: Heun(), flowing, 2, 0),
    ("kdpm2", lambda _n: Kdpm2(), exploding, 2, 0),
    ("lms", lambda _n: Lms(), exploding, 4, 3),
    *[
        (
            f"{kind} {order}{rule}",
            lambda _n, k=kind, o=order, r=rule: DpmMultistep(order=o, kind=k, solver_type=r, lower_order_final=False),
            preserving_at,
            min(order, 2),
            order - 1,
        )
        # The published third order halves the second derivative (its D2 is f'' / 2), and so converges as a second.
        for kind in ("dpmsolver", "dpmsolver++")
        for order in (1, 2, 3)
        for rule in ("midpoint", "heun")
    ],
    *[
        (
            f"singlestep {order}{rule}",
            lambda n, o=order, r=rule: DpmSinglestep(
                singlestep_orders(n, o, lower_order_final=False, ends_clean=False), solver_type=r
            ),
            preserving_at,
            order,
            0,
        )
        for order in (1, 2, 3)
        for rule in ("midpoint", "heun")
    ],
    *[
        (f"deis {order}", lambda _n, o=order: Deis(o, lower_order_final=False), preserving_at, order, order - 1)
        for order in (1, 2, 3)
    ],
    *[
        (
            f"unipc {order} bh{2 - bh1}",
            lambda _n, o=order, b=bh1: UniPc(o, bh1=b, lower_order_final=False),
            preserving_at,
            order + 1,
            order,
        )
        for order in (1, 2, 3)
        for bh1 in (True, False)
    ],
    *[
        (
            f"sa solver {order}",
            lambda _n, o=order: SaSolver(o, o, tau=lambda _t: 0.0, lower_order_final=False),
            preserving_at,
            order,
            0,
        )
        for order in (1, 2)
    ],
    ("unip 2", lambda _n: UniPc(2, lower_order_final=False, uncorrected=frozenset(range(999))), preserving_at, 2, 1),
]


@pytest.mark.parametrize(
    ("make", "kind", "order", "starts"), [row[1:] for row in ODE_SOLVERS], ids=[row[0] for row in ODE_SOLVERS]
)
def test_order_of_convergence(make, kind, order: int, starts: int) -> None:
    few, many = 192, 384
    slope = math.log2(
        error(make(few), kind, few, exact_starts=starts) / error(make(many), kind, many, exact_starts=starts)
    )
    assert abs(slope - order) <= 0.3, slope


@pytest.mark.parametrize("name", sampler_names())
def test_recovers_a_gaussian(name: str) -> None:
    sampler = sampler_of(name, 50)
    x = sampler.sample(gaussian_network(sampler), noise_source(1).standard_normal((1, 1, 64, 64)), rng=noise_source(2))
    assert abs(float(x.mean()) - MEAN) < 0.06
    # A consistency sampler's network is a projector; with a posterior mean in its place it narrows the data.
    narrows = sampler_table()[sampler_names().index(name)].needs == "distilled" or name == "flow_lcm"
    if not narrows:
        assert abs(float(x.std()) / WIDTH - 1) < 0.1


@pytest.mark.parametrize("name", sampler_names())
@pytest.mark.parametrize("steps", [4, 5, 10, 20, 50])
def test_grid_falls_strictly(name: str, steps: int) -> None:
    starts = [interval.start.nominal for interval in sampler_of(name, steps).intervals]
    if name in ("pndm", "plms"):
        starts = sorted(set(starts), reverse=True)  # these ask at some levels more than once
    assert all(a > b for a, b in pairwise(starts))
    assert sampler_of(name, steps).intervals[-1].end.nominal <= starts[-1]


@pytest.mark.parametrize("name", sampler_names())
def test_resuming_equals_an_unbroken_run(name: str) -> None:
    sampler = sampler_of(name, 8)
    network, noise = gaussian_network(sampler), noise_source(3).standard_normal((2, 3, 4, 4))
    rng, saved = noise_source(4), None
    for step in sampler.iterate(network, noise, rng=rng):
        if step.index == 4:
            saved = step, rng.copy()
    resumed = list(sampler.iterate(network, noise, rng=saved[1], resume=saved[0]))
    assert [s.index for s in resumed] == list(range(5, sampler.steps))
    np.testing.assert_array_equal(resumed[-1].sample, step.sample)


@pytest.mark.parametrize("name", sampler_names())
def test_table_tells_the_truth(name: str) -> None:
    row = sampler_table()[sampler_names().index(name)]
    sampler = sampler_of(name, 20)
    network, noise = gaussian_network(sampler), noise_source(3).standard_normal((1, 1, 4, 4))
    one, other = (sampler.sample(network, noise, rng=noise_source(seed)) for seed in (1, 2))
    assert row.stochastic == bool((one != other).any())
    calls = len(sampler.timesteps) / sampler.steps
    assert row.calls - 0.1 <= calls <= row.calls


@pytest.mark.parametrize(
    "name",
    [
        "EulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "DDPMScheduler",
        "LCMScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler",
    ],
)
def test_custom_grid_equal_to_the_default_gives_the_default(name: str) -> None:
    config = {"_class_name": name, "prediction_type": "epsilon", **SD}
    default = build_sampler(config, 7)
    given = sorted({float(t) for t in default.timesteps}, reverse=True)
    custom = build_sampler(config, timesteps=given)
    assert custom.timesteps.tolist() == default.timesteps.tolist()
    noise = noise_source(5).standard_normal((1, 2, 3, 3))
    runs = [s.sample(gaussian_network(s), noise, rng=noise_source(6)) for s in (default, custom)]
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-6)


def test_custom_sigmas_equal_to_the_default_give_the_default() -> None:
    config = {"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": True, **SD}
    default = build_sampler(config, 6)
    sigmas = [i.start.sigma for i in default.intervals] + [0.0]
    custom = build_sampler({**config, "use_karras_sigmas": False}, sigmas=sigmas)
    np.testing.assert_allclose(custom.timesteps, default.timesteps, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("kind", [exploding, preserving_at, flowing])
def test_no_share_of_noise_is_the_ode_step(kind) -> None:
    start, end = kind(np.float64(0), 0.8), kind(np.float64(1), 0.3)
    interval, rng = Interval(start, end, 0, 2), noise_source(0)
    x = rng.standard_normal((2, 3)).astype(np.float64)
    denoise = Denoiser(lambda seen, _t: posterior(seen * start.scale, start), Clean())
    ode = end.alpha * posterior(x, start) + end.sigma * (x - start.alpha * posterior(x, start)) / start.sigma
    np.testing.assert_allclose(Ddim(eta=0.0).step(denoise, x, interval, (), rng).x, ode, atol=1e-12)
    if kind is not preserving_at:
        np.testing.assert_allclose(ChurnedEuler(0.0).step(denoise, x, interval, (), rng).x, ode, atol=1e-12)
    if kind is flowing:
        np.testing.assert_allclose(FlowAncestral(eta=0.0).step(denoise, x, interval, (), rng).x, ode, atol=1e-12)


def test_sa_solver_without_noise_does_not_draw_into_the_sample() -> None:
    config = {"_class_name": "SASolverScheduler", "tau_func": lambda _t: 0.0, **SD}
    sampler = build_sampler(config, 8)
    noise = noise_source(1).standard_normal((1, 1, 4, 4))
    one, other = (sampler.sample(gaussian_network(sampler), noise, rng=noise_source(s)) for s in (1, 2))
    np.testing.assert_array_equal(one, other)
    assert isinstance(sampler.solver, SaSolver)


def test_a_batch_of_images_is_the_images_one_by_one() -> None:
    sampler, seeds = sampler_of("euler_a", 6), image_seeds(20, 3)
    network = gaussian_network(sampler)
    rng = per_image([noise_source(seed) for seed in seeds])
    batch = sampler.sample(network, rng.standard_normal((3, 2, 4, 4)), rng=rng)
    for i, seed in enumerate(seeds):
        alone = noise_source(seed)
        image = sampler.sample(network, alone.standard_normal((1, 2, 4, 4)), rng=alone)
        np.testing.assert_allclose(batch[i : i + 1], image, atol=1e-6)


def test_cfg_plus_plus_without_guidance_is_euler() -> None:
    plain, guided = sampler_of("euler", 6), sampler_of("euler_cfg_pp", 6)
    noise = noise_source(1).standard_normal((1, 2, 4, 4))
    runs = [s.sample(gaussian_network(s), noise, rng=noise_source(0)) for s in (plain, guided)]
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-5)


def test_er_sde_draws_the_variance_that_its_drift_leaves() -> None:
    # From a sample whose clean part is known exactly, one step must give the end level's variance.
    start, end = exploding(np.float64(0), 4.0), exploding(np.float64(1), 1.5)
    rng = noise_source(0)
    x = 4.0 * rng.standard_normal((200, 500))
    denoise = Denoiser(lambda seen, _t: np.zeros_like(seen), Clean())
    out = ErSde().step(denoise, x, Interval(start, end, 0, 2), (), rng)
    assert abs(float(out.x.std()) / 1.5 - 1) < 0.01


@pytest.mark.parametrize("name", ["euler_cfg_pp", "euler_a_cfg_pp"])
def test_cfg_plus_plus_refuses_a_network_with_one_output(name: str) -> None:
    sampler, noise = sampler_of(name, 4), noise_source(1).standard_normal((1, 2, 4, 4))
    with pytest.raises(SamplerError, match="unguided"):
        sampler.sample(lambda x, _t: x, noise, rng=noise_source(0))


@pytest.mark.parametrize("grid", [grid for grid in NAMED_GRIDS if grid != VIDEO_GRID])
@pytest.mark.parametrize("name", ["euler", "heun", "dpmpp_2m", "dpmpp_2s_a", "er_sde"])
@pytest.mark.parametrize("steps", [4, 10, 15])
def test_named_grids_fall_from_noise_and_recover_a_gaussian(grid: str, name: str, steps: int) -> None:
    sampler = sampler_of(f"{name}_{grid}", steps)
    starts = [interval.start.nominal for interval in sampler.intervals]
    assert len(starts) == steps
    assert all(a > b for a, b in pairwise(starts))
    assert starts[0] > 10
    x = sampler.sample(gaussian_network(sampler), noise_source(1).standard_normal((1, 1, 64, 64)), rng=noise_source(2))
    assert abs(float(x.mean()) - MEAN) < 0.25


def test_align_your_steps_is_the_published_table() -> None:
    told = sampler_of("dpmpp_2m_ays", 10).timesteps.tolist()
    assert told == [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]
    assert sampler_of("euler_ays_sdxl", 10).timesteps.tolist() == [999, 845, 730, 587, 443, 310, 193, 116, 53, 13]


def test_align_your_steps_for_video_leaves_the_training_schedule() -> None:
    config = {
        "_class_name": "EulerDiscreteScheduler",
        "prediction_type": "v_prediction",
        "timestep_type": "continuous",
        **SD,
    }
    sampler = build_sampler(config, 10, grid=VIDEO_GRID)
    assert sampler.intervals[0].start.sigma == pytest.approx(700.0)
    assert sampler.intervals[-1].end.sigma == 0
    np.testing.assert_allclose(sampler.timesteps[0], 0.25 * math.log(700), rtol=1e-6)


def test_dpmpp_2s_without_noise_has_order_2() -> None:
    def step_error(steps: int) -> float:
        sigmas = np.exp(np.linspace(math.log(8.0), math.log(0.4), steps + 1))
        levels = [exploding(np.float64(i), float(s)) for i, s in enumerate(sigmas)]
        middles = [exploding(np.float64(steps + 1 + i), math.sqrt(a * b)) for i, (a, b) in enumerate(pairwise(sigmas))]
        by_t = {float(level.t): level for level in (*levels, *middles)}
        denoise = Denoiser(lambda x, t: posterior(x * by_t[float(t)].scale, by_t[float(t)]), Clean())
        x = start = np.linspace(-1.0, 2.0, 7)[None] * spread(levels[0])
        for i in range(steps):
            interval = Interval(levels[i], levels[i + 1], i, steps, (middles[i],), (levels[i + 1].sigma, 0.0))
            x = Dpmpp2sAncestral().step(denoise, x, interval, (), noise_source(0)).x
        return float(np.abs(x - exact(start, levels[0], levels[-1])).max())

    assert abs(math.log2(step_error(96) / step_error(192)) - 2) <= 0.3


def test_ipndm_has_order_2_on_its_own_grid() -> None:
    def run_error(steps: int) -> float:
        sampler = build_sampler({"_class_name": "IPNDMScheduler"}, steps)
        middle = sampler.intervals[steps // 4 : 3 * steps // 4]
        by_t = {float(interval.start.t): interval.start for interval in middle}
        denoise = Denoiser(lambda x, t: posterior(x, by_t[float(t)]), Clean())
        x = start = np.linspace(-1.0, 2.0, 7)[None] * spread(middle[0].start)
        state, rng = sampler.solver.init(x, middle, noise_source(0)), noise_source(0)
        for i, interval in enumerate(middle):
            x, _, state = sampler.solver.step(denoise, x, interval, state, rng)
            if i < 3:
                x = exact(start, middle[0].start, interval.end)
        return float(np.abs(x - exact(start, middle[0].start, middle[-1].end)).max())

    assert abs(math.log2(run_error(160) / run_error(320)) - 2) <= 0.3
