"""What a network may return: a prediction, one with its variance in as many channels again, and both of guidance."""

from __future__ import annotations

import numpy as np
import pytest
from gaussian_data import SD

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import PredictionPair, build_sampler, sampler_config, sampler_table

EPSILON = {"_class_name": "DDIMScheduler", "clip_sample": False, **SD}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
SHAPE = (2, 3, 4, 5)


def prediction(x, t):
    return (0.6 * np.tanh(x + 0.001 * float(t))).astype(np.float32)


def with_variance(x, t):
    return np.concatenate([prediction(x, t), np.cos(x)], axis=1)


def drawn(sampler, model):
    return sampler.sample(model, noise_source(1).standard_normal(SHAPE), rng=noise_source(2))


@pytest.mark.parametrize("info", sampler_table(), ids=lambda info: info.name)
def test_a_variance_that_the_sampler_does_not_read_changes_nothing(info):
    sampler = build_sampler(sampler_config(info.name, FLOW if info.needs == "flow" else EPSILON), 4)

    def both(model):
        return lambda x, t: PredictionPair(model(x, t), 0.9 * model(x, t))

    plain, more = (both(model) if sampler.needs_unguided else model for model in (prediction, with_variance))
    np.testing.assert_array_equal(drawn(sampler, more), drawn(sampler, plain))


@pytest.mark.parametrize("name", ["DDPMScheduler", "UnCLIPScheduler"])
def test_a_variance_is_read_where_the_config_says_that_it_is_learned(name):
    learned, fixed = (
        build_sampler({"_class_name": name}, 4, variance_type=kind) for kind in ("learned_range", "fixed_small_log")
    )
    without, read = drawn(fixed, with_variance), drawn(learned, with_variance)
    np.testing.assert_array_equal(without, drawn(fixed, prediction))
    assert np.abs(read - without).max() > 1e-3


def test_guidance_is_no_variance():
    sampler = build_sampler(sampler_config("euler_cfg_pp", EPSILON), 4)
    with pytest.raises(SamplerError, match="`PredictionPair`"):
        drawn(sampler, with_variance)


def test_a_sampler_without_use_for_the_unguided_output_takes_the_guided_one():
    sampler = build_sampler(EPSILON, 4)
    got = drawn(sampler, lambda x, t: PredictionPair(prediction(x, t), np.full_like(x, np.nan)))
    np.testing.assert_array_equal(got, drawn(sampler, prediction))


@pytest.mark.parametrize("channels", [1, 4, 9])
def test_other_channels_are_refused_with_both_shapes(channels):
    sampler = build_sampler(EPSILON, 4)
    with pytest.raises(SamplerError, match=r"\(2, \d, 4, 5\): expected an output of the sample's shape \(2, 3, 4, 5\)"):
        drawn(sampler, lambda _x, _t: np.zeros((2, channels, 4, 5), np.float32))
