"""``guidance_interval`` and ``reuse_guidance``: where the network is asked once, and what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.errors import SamplerError, SettingError
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.settings.resolve import options_of

STEPS = 6


@pytest.fixture
def pipeline(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as opened:
        yield opened


@pytest.fixture
def rows(calls):
    """How many pictures each call of the network was asked about since the last look."""

    def rows():
        found = [shapes["sample"][0] for role, shapes in calls if role == "unet"]
        calls.clear()
        return found

    return rows


def drawn(pipeline, **options):
    return pipeline("a red apple", seed=3, steps=STEPS, **{"guidance": 4.0, **options}).latents


def test_outside_of_the_interval_the_network_is_asked_once(pipeline, rows):
    with pipeline.stream("a red apple", seed=3, steps=STEPS, guidance=4.0) as run:
        sigmas = [step.sigma for step in run]
    rows()
    drawn(pipeline, guidance_interval=(sigmas[4], sigmas[1]))
    assert rows() == [1, 2, 2, 2, 1, 1]


def test_an_interval_of_all_levels_changes_no_bit_and_one_of_none_is_no_guidance(pipeline):
    plain, without = drawn(pipeline), drawn(pipeline, guidance=1.0)
    assert np.array_equal(drawn(pipeline, guidance_interval=(0.0, None)), plain)
    assert np.array_equal(drawn(pipeline, guidance_interval=(1e6, 2e6)), without)
    assert not np.array_equal(plain, without)


def test_the_difference_is_computed_at_every_nth_call(pipeline, rows):
    plain = drawn(pipeline)
    rows()
    held = drawn(pipeline, reuse_guidance=3)
    assert rows() == [2, 1, 1, 2, 1, 1]
    assert not np.array_equal(held, plain)
    assert np.abs(held - plain).max() < np.abs(drawn(pipeline, guidance=1.0) - plain).max()


def test_a_sampler_that_asks_twice_in_a_step(pipeline, rows):
    drawn(pipeline, sampler="heun", reuse_guidance=2)
    assert rows() == [2, 1] * (STEPS - 1) + [2]


def test_a_picture_carries_both_and_repeats(pipeline, tmp_path):
    result = pipeline("a", seed=4, steps=STEPS, guidance=4.0, guidance_interval=(0.1, None), reuse_guidance=2)
    (path,) = result.save(tmp_path / "x.png")
    settings = read_metadata(path)["settings"]
    assert (settings["guidance_interval"], settings["reuse_guidance"]) == ([0.1, None], 2)
    prompt, options = options_of(settings)
    assert np.array_equal(pipeline(prompt, **options).latents, result.latents)


@pytest.mark.parametrize("options", [{"guidance_interval": (0.1, 5.0)}, {"reuse_guidance": 2}], ids=str)
def test_what_does_not_go_together_is_refused(pipeline, calls, options):
    with pytest.raises(SamplerError, match="takes the unguided prediction, which is not computed at every call"):
        drawn(pipeline, sampler="euler_cfg_pp", **options)
    with pytest.raises(SettingError, match="`reuse` is 4: expected `off`, because what it costs was not measured"):
        drawn(pipeline, reuse=4, **options)
    assert calls == []
