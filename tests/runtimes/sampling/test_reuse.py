"""Reuse of predictions: what is extrapolated, by every deterministic sampler, and which samplers are refused."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from gaussian_data import BASE, FLOW, gaussian_network, sampler_of

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler, sampler_table
from edgediff_runtimes.sampling.levels import preserving_at
from edgediff_runtimes.sampling.prediction import Clean, Epsilon, Flow, Preconditioned, Score, TrigFlow, Velocity
from edgediff_runtimes.sampling.reuse import ReuseSchedule, Reusing, polynomial_weights, why_not_reusable

SHAPE = (2, 3, 4, 4)
STEPS = 20
DETERMINISTIC = [row.name for row in sampler_table() if not row.stochastic]
STOCHASTIC = [row.name for row in sampler_table() if row.stochastic and row.needs != "distilled"]


def drawn(sampler, schedule, network, **reuse):
    """The final sample under a schedule, and what reuse noted."""
    reusing = Reusing(sampler.calls, sampler.parametrisation, schedule, **reuse)
    noise = noise_source(3).standard_normal(SHAPE)
    x = sampler.sample(partial(reusing, network), noise, rng=noise_source(4))
    return x, reusing


def straight(sampler):
    """A network whose noise is a line in log-SNR, which every polynomial of order 1 and 2 goes on with."""
    levels = sampler.calls
    told = {float(level.t): level for level in levels}
    first, slope = noise_source(1).standard_normal(SHAPE), noise_source(2).standard_normal(SHAPE)

    def network(_seen, t):
        level = told[float(t)]
        noise = first + np.float32(level.log_snr) * slope
        assert sampler.parametrisation.name == "epsilon"
        return noise

    return network


@pytest.mark.parametrize("order", [1, 2])
def test_a_noise_that_is_a_line_in_log_snr_is_extrapolated_exactly(order):
    sampler = build_sampler(BASE, STEPS)
    network = straight(sampler)
    full, _ = drawn(sampler, ReuseSchedule.of(range(STEPS), STEPS), network)
    made = (0, 1, 2, 9, 19) if order == 2 else (0, 1, 9, 19)
    reused, reusing = drawn(sampler, ReuseSchedule.of(made, STEPS, order=order), network)
    np.testing.assert_allclose(reused, full, rtol=1e-3, atol=2e-4)
    assert reusing.made == len(made)
    assert max(reusing.errors) < 1e-4


def test_a_held_noise_is_the_last_one():
    sampler = build_sampler(BASE, 4)
    first = noise_source(1).standard_normal(SHAPE)
    seen = []

    def network(_x, t):
        seen.append(float(t))
        return first * np.float32(len(seen))

    reusing = Reusing(sampler.calls, sampler.parametrisation, ReuseSchedule((None, None, 0, None)))
    answers = [reusing(network, np.ones(SHAPE, np.float32), level.t) for level in sampler.calls]
    assert [float(answer.flat[0] / first.flat[0]) for answer in answers] == pytest.approx([1, 2, 2, 3])
    assert len(seen) == 3


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_a_schedule_of_all_calls_changes_no_bit(name):
    sampler = sampler_of(name, STEPS)
    network, total = gaussian_network(sampler), len(sampler.calls)
    plain = sampler.sample(network, noise_source(3).standard_normal(SHAPE), rng=noise_source(4))
    full, reusing = drawn(sampler, ReuseSchedule.even(total, total), network)
    assert np.array_equal(plain, full)
    assert (reusing.made, reusing.jumped) == (total, None)


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_every_deterministic_sampler_nears_its_own_full_run(name):
    sampler = sampler_of(name, 60)
    network, total = gaussian_network(sampler), len(sampler.calls)
    full, _ = drawn(sampler, ReuseSchedule.even(total, total), network)
    errors = []
    for share in (0.2, 0.5, 0.8):
        count = round(total * share)
        reused, reusing = drawn(sampler, ReuseSchedule.even(count, total), network)
        assert reusing.made == count
        errors.append(float(np.abs(reused - full).max() / np.abs(full).max()))
    assert errors[2] < errors[0]
    assert errors[2] < 0.01


class Listening:
    """A noise source that remembers whether it was asked for anything."""

    def __init__(self):
        self.source, self.asked = noise_source(4), False

    def __getattr__(self, name):
        self.asked = True
        return getattr(self.source, name)


WAYS = [
    *((name, {}) for name in [*DETERMINISTIC, *STOCHASTIC]),
    ("ddim", {"eta": 0.5}),
    ("euler_cfg_pp", {}),
    ("flow_euler_a", {"eta": 0.0}),
]


@pytest.mark.parametrize(("name", "options"), WAYS, ids=str)
def test_a_sampler_says_whether_it_draws_noise(name, options):
    sampler, noise = sampler_of(name, STEPS, **options), Listening()
    network = gaussian_network(sampler)
    start = noise_source(3).standard_normal(SHAPE)
    first, second = (sampler.sample(network, start, rng=source) for source in (noise, noise_source(5)))
    assert sampler.stochastic == noise.asked
    assert sampler.stochastic != np.array_equal(first, second)
    reason = why_not_reusable(sampler)
    assert reason == ("this sampler draws fresh noise in its steps" if sampler.stochastic else None)


def test_noise_along_a_path_with_a_seed_of_its_own_is_fresh_noise():
    sampler = sampler_of("dpmpp_sde", STEPS, noise_sampler_seed=7)
    assert why_not_reusable(sampler) == "this sampler draws fresh noise in its steps"


@pytest.mark.parametrize(("options", "stochastic"), [({}, False), ({"s_churn": 40.0}, True)], ids=str)
def test_churn_is_fresh_noise(options, stochastic):
    config = {**BASE, "_class_name": "EulerDiscreteScheduler"}
    assert build_sampler(config, STEPS, **options).stochastic == stochastic


def test_tokens_are_refused():
    sampler = build_sampler({"_class_name": "AmusedScheduler", "mask_token_id": 5}, 4)
    assert why_not_reusable(sampler) == "this sampler's predictions are no noise"


@pytest.mark.parametrize(
    "parametrisation",
    [Epsilon(), Velocity(), Clean(), Flow(), Preconditioned(0.5), TrigFlow(0.5), Score(), Score(times_sigma=True)],
    ids=lambda one: f"{one.name}{getattr(one, 'times_sigma', '')}",
)
def test_what_is_extrapolated_has_the_noise_that_was_known_in_every_parametrisation(parametrisation):
    levels = [preserving_at(np.float64(i), sigma) for i, sigma in enumerate((3.0, 2.0, 1.0))]
    reusing = Reusing(levels, parametrisation, ReuseSchedule((None, None, 0)))
    x, raw = noise_source(1).standard_normal(SHAPE), noise_source(2).standard_normal(SHAPE)
    for level in levels[:2]:
        reusing(lambda _seen, _t: raw, x, level.t)
    other = noise_source(5).standard_normal(SHAPE)
    answer = reusing(lambda _seen, _t: pytest.fail("it is not to be asked"), other, levels[2].t)
    known = parametrisation.epsilon(raw, x, levels[1])
    np.testing.assert_allclose(parametrisation.epsilon(answer, other, levels[2]), known, rtol=1e-4, atol=1e-4)


def test_even_schedules():
    assert ReuseSchedule.even(8, 20).made == (0, 1, 4, 7, 10, 13, 16, 19)
    assert ReuseSchedule.even(3, 20).made == (0, 1, 19)
    assert ReuseSchedule.even(20, 20).made == tuple(range(20))
    for count in range(3, 21):
        made = ReuseSchedule.even(count, 20).made
        assert (len(made), made[:2], made[-1]) == (count, (0, 1), 19)


def test_orders_of_a_schedule():
    assert ReuseSchedule.fits([None, None, 0, 1, 2, None])
    for wrong in ([None, None], [None, 1, None], [None, None, 1], [None, None, 3, None], [None, None, True, None]):
        assert not ReuseSchedule.fits(wrong)


def test_weights_of_the_polynomial():
    assert polynomial_weights([1.0, 0.0], 3.0) == pytest.approx((3.0, -2.0))
    assert polynomial_weights([2.0, 1.0, 0.0], 3.0) == pytest.approx((3.0, -3.0, 1.0))
    assert polynomial_weights([1.0, -math.inf], 3.0) == pytest.approx((1.0, 0.0))  # of no signal: infinitely far away
    assert polynomial_weights([2.0, 0.0], 2.0) == pytest.approx((1.0, 0.0))


def test_from_no_signal_at_all_the_run_is_finite():
    sampler = build_sampler(FLOW, STEPS)
    assert sampler.intervals[0].start.log_snr == -math.inf
    reused, _ = drawn(sampler, ReuseSchedule.even(8, STEPS), gaussian_network(sampler))
    assert np.isfinite(reused).all()


def test_from_a_jump_of_the_error_on_all_calls_are_made():
    sampler = build_sampler(BASE, STEPS)
    network = straight(sampler)
    bent = [level.t for level in sampler.calls][10:]

    def jumping(seen, t):
        noise = network(seen, t)
        return -noise if t in bent else noise

    schedule = ReuseSchedule.even(8, STEPS)
    _, lenient = drawn(sampler, schedule, jumping)
    assert (lenient.made, lenient.jumped) == (8, None)
    assert max(lenient.errors) > 1.5
    _, strict = drawn(sampler, schedule, jumping, most=0.5)
    assert (strict.made, strict.jumped) == (5 + 9, 10)  # 0, 1, 4, 7, 10, and all after it
    assert strict.orders == (*schedule.orders[:10], *[None] * 10)
    assert lenient.orders == schedule.orders
