"""A start from a picture that is told as an amount of noise, in place of a share of the schedule."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.errors import SamplerError, SettingError
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.sampling import build_sampler
from edgediff_runtimes.settings.resolve import options_of

STEPS = 20


@pytest.fixture
def pipeline(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        yield pipeline


@pytest.fixture
def picture():
    return Image.radial_gradient("L").resize((64, 64)).convert("RGB")


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_the_level_of_a_strength_draws_what_the_strength_draws(pipeline, picture, strength):
    options = {"image": picture, "seed": 3, "steps": STEPS, "sampler": "euler"}
    with pipeline.stream("a cat", strength=strength, **options) as run:
        level = next(run).sigma
        by_strength = run.result
    by_level = pipeline("a cat", noise_level=level, **options)
    assert np.array_equal(by_level.latents, by_strength.latents)
    assert by_level.settings.strength is None
    near = pipeline("a cat", noise_level=level * 1.01, **options)
    assert np.array_equal(near.latents, by_level.latents)


def test_a_file_has_it(pipeline, picture, tmp_path):
    result = pipeline("a cat", image=picture, noise_level=2.0, seed=3, steps=STEPS)
    [file] = result.save(tmp_path / "x.png")
    prompt, recorded = options_of(read_metadata(file)["settings"])
    assert (recorded["noise_level"], recorded["strength"]) == (2.0, None)
    assert np.array_equal(pipeline(prompt, image=picture, **recorded).latents, result.latents)


@pytest.mark.parametrize("level", [0.05, 0.4, 1.0, 9.0])
def test_the_nearest_level_of_a_schedule_is_taken(level):
    sampler = build_sampler({"_class_name": "EulerDiscreteScheduler"}, steps=STEPS)
    levels = [interval.start.nominal for interval in sampler.intervals]
    started = sampler.for_noise(level)
    nearest = min(levels, key=lambda one: abs(one - level))
    assert started.intervals == sampler.intervals[levels.index(nearest) :]


def test_a_sampler_that_runs_whole_has_no_such_beginning():
    with pytest.raises(SamplerError, match="expected no noise level for this sampler"):
        build_sampler({"_class_name": "DDIMInverseScheduler"}, 10).for_noise(0.5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"noise_level": 2.0, "strength": 0.5}, "`noise_level` is 2.0: expected nothing beside `strength`"),
        ({"noise_level": -2.0}, "`noise_level` is -2.0: expected a number above 0"),
        ({"noise_level": float("nan")}, "`noise_level` is nan: expected a finite number"),
        ({"noise_level": 1000.0}, "expected a level that this schedule has, of which"),
        ({"noise_level": 2.0, "image": None}, "`noise_level` is 2.0: expected nothing, because there is no image"),
        ({"denoise": "x.png", "image": None}, "`denoise` is 'x.png': expected nothing, because the bundle has no task"),
    ],
)
def test_what_is_no_level_is_refused(pipeline, picture, options, sentence):
    with pytest.raises(SettingError) as caught:
        pipeline.stream("a cat", **{"image": picture, "steps": STEPS, **options})
    assert sentence in caught.value.sentence
