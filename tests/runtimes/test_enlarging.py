"""Enlarging, with an engine of NumPy functions: sizes, steps, seeds, tiles, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.doubts import doubts
from edgediff_runtimes.enlarger import Enlarger
from edgediff_runtimes.errors import Cancelled, SamplerError, SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.settings import enlarging
from edgediff_runtimes.settings.resolve import options_of, pictures_of


@pytest.fixture
def pipeline(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        yield pipeline


@pytest.fixture
def picture():
    y, x = np.mgrid[0:72, 0:48].astype(np.uint8)
    return Image.fromarray(np.stack([x * 5, y * 3, x + y], axis=-1))


def _differ(first, second):
    return int(np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)).max())


def test_a_picture_is_drawn_anew_at_twice_its_size(pipeline, picture):
    result = pipeline("a", image=picture, enlarge=2, strength=0.7, seed=3)
    assert result.images[0].size == (96, 144)
    larger = picture.resize((96, 144), Image.Resampling.LANCZOS)
    expected = pipeline("a", image=larger, strength=0.7, seed=3)
    assert _differ(result.images[0], expected.images[0]) == 0
    assert (result.settings.width, result.settings.height, result.settings.enlarge) == (48, 72, 2.0)


def test_without_a_picture_one_is_drawn_first(pipeline, calls):
    first = pipeline("a", seed=3)
    calls.clear()
    with pipeline.stream("a", seed=3, enlarge=2, strength=0.7) as run:
        steps = list(run)
        result = run.result
    asked = [shapes["sample"][-2:] for role, shapes in calls if role == "unet"]
    assert asked == [(8, 8)] * 3 + [(16, 16)] * 2
    assert [step.index for step in steps] == list(range(5))
    assert {step.total for step in steps} == {run.total_steps} == {5}
    assert result.images[0].size == (128, 128)
    assert result.latents.shape == (1, 4, 16, 16)
    again = pipeline("a", seed=3, image=first.images[0], enlarge=2, strength=0.7)
    assert _differ(result.images[0], again.images[0]) == 0


def test_each_picture_of_a_batch_is_the_one_that_its_seed_gives_alone(pipeline, calls):
    options = {"enlarge": 1.5, "strength": 0.7, "guidance": 3.0}
    result = pipeline(["a", "an owl"], images=2, seed=5, negative_prompt="dull", **options)
    assert [image.size for image in result.images] == [(96, 96)] * 4
    assert max(shapes["sample"][0] for role, shapes in calls if role == "unet" and shapes["sample"][-1] == 12) == 2
    prompt, asked = options_of(json.loads(json.dumps(result.settings.of_image(3))))
    assert (prompt, asked["seed"], asked["enlarge"]) == ("an owl", 8, 1.5)
    assert pictures_of(result.settings.of_image(3)) == ()
    assert _differ(pipeline(prompt, **asked).images[0], result.images[3]) <= 1


def test_embeddings_stand_for_prompts(pipeline):
    prompts, options = ["a", "an owl"], {"images": 2, "seed": 5, "enlarge": 2, "strength": 0.7, "guidance": 1.0}
    expected = pipeline(prompts, **options)
    got = pipeline(prompt_embeds=pipeline.encode(prompts).prompt_embeds, **options)
    np.testing.assert_allclose(got.latents, expected.latents, rtol=0, atol=1e-5)


def test_a_mask_beside_it_is_refused(pipeline, picture):
    with pytest.raises(SettingError, match="`enlarge` is 2: expected nothing beside `mask`"):
        pipeline("a", image=picture, mask=picture.convert("L"), enlarge=2)


def test_the_picture_that_is_needed_again_is_told(pipeline, picture):
    settings = json.loads(json.dumps(pipeline("a", image=picture, enlarge=2, seed=1).settings.of_image(0)))
    assert pictures_of(settings) == ("image",)


@pytest.mark.parametrize("size", [(64, 64), (80, 48)])
def test_in_tiles_the_network_sees_no_more_than_a_tile(pipeline, calls, size):
    # What it predicts of an entry depends on that entry alone, so that tiles give what the whole gives.
    options = {"seed": 3, "enlarge": 3, "strength": 0.7, "width": size[0], "height": size[1]}
    whole = pipeline("a", **options)
    calls.clear()
    tiled = pipeline("a", **options, tile=64)
    asked = {shapes["sample"][-2:] for role, shapes in calls if role == "unet"}
    assert asked == {(size[1] // 8, size[0] // 8), (8, 8)}
    assert max(shapes["latent_sample"][-1] for role, shapes in calls if role == "vae_decoder") <= 24
    np.testing.assert_allclose(tiled.latents, whole.latents, rtol=0, atol=1e-5)
    assert tiled.images[0].size == (size[0] * 3, size[1] * 3)


def test_a_tile_that_holds_all_of_it_is_none(pipeline):
    with pipeline.stream("a", enlarge=2, tile=128) as run:
        assert run.settings.tile is None


@pytest.mark.parametrize(("steps", "expected"), [(20, 0.3), (4, 0.3), (2, 0.5)])
def test_little_is_drawn_anew_where_nothing_is_said(pipeline, steps, expected):
    with pipeline.stream("a", enlarge=2, steps=steps) as run:
        assert run.settings.strength == expected
        assert run.total_steps == steps + 1 + (steps == 20) * 5


def test_one_step_is_too_few(pipeline):
    with pytest.raises(SamplerError, match=r"`strength` is 0\.3: expected a strength that leaves at least one step"):
        pipeline("a", enlarge=2, steps=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"enlarge": 1}, "`enlarge` is 1: expected a number above 1 and at most 8"),
        ({"enlarge": 9}, "`enlarge` is 9: expected a number above 1 and at most 8"),
        ({"enlarge": "twice"}, "`enlarge` is 'twice': expected a number above 1 and at most 8"),
        ({"enlarge": float("nan")}, "`enlarge` is nan: expected a number above 1 and at most 8"),
        ({"enlarge": 2, "tile": 63}, "`tile` is 63: expected a whole number of pixels from 64, or `auto`"),
        ({"enlarge": 2, "strength": 0}, "`strength` is 0: expected a number above 0 and at most 1"),
        ({"enlarge": 8, "width": 8192, "height": 8192}, "`enlarge` is 8.0: expected a factor that makes a size that"),
        ({"strength": 0.5}, "`strength` is 0.5: expected nothing, because there is no image"),
        ({"noise_level": 20}, "`noise_level` is 20: expected nothing, because there is no image"),
        ({"enlarge": 2, "reuse": 3}, "`reuse` is 3: expected `off`, because what it costs was not measured for"),
    ],
)
def test_what_cannot_be_enlarged_is_refused(pipeline, calls, options, sentence):
    with pytest.raises(SettingError) as caught:
        pipeline("a", **options)
    assert caught.value.sentence.startswith(sentence)
    assert calls == []


def test_a_model_that_draws_from_no_picture_is_told(tiny, fake_engine, bundle_with):
    stage = tiny.manifest.recipe.only(["text_encoder", "unet", "vae_decoder"])
    with (
        Pipeline(bundle_with(stage), Placement(engine=fake_engine)) as pipeline,
        pytest.raises(SettingError, match="`enlarge` is 2: expected nothing, because the bundle's model draws from no"),
    ):
        pipeline("a", enlarge=2)


@pytest.fixture
def bundle_with(tiny):
    """The bundle with another recipe."""

    def bundle_with(recipe: Recipe):
        return replace(tiny, manifest=replace(tiny.manifest, recipe=recipe))

    return bundle_with


def test_a_fixed_size_is_not_enlarged(tiny, fake_engine):
    with (
        Pipeline(tiny, Placement(engine=fake_engine, static=(64, 64))) as pipeline,
        pytest.raises(SettingError, match="`enlarge` is 2: expected nothing, because the bundle was loaded for 64x64"),
    ):
        pipeline("a", enlarge=2)


def test_it_is_cancelled_in_the_second_drawing(pipeline, calls):
    with pipeline.stream("a", enlarge=2, strength=0.7) as run:
        for step in run:
            if step.index == run.total_steps - 2:  # the first step of the second drawing
                break
        run.cancel()
        with pytest.raises(Cancelled):
            next(run)
    assert [role for role, _ in calls].count("vae_decoder") == 1


def test_nobody_is_warned_of_a_size_that_was_asked_for(pipeline):
    with pipeline.stream("a", enlarge=4) as run:
        assert doubts(pipeline.bundle, run.settings) == []


def test_a_graph_enlarges_in_place_of_lanczos(tiny, fake_engine, golden, picture):
    pixels = np.asarray(picture).repeat(2, axis=0).repeat(2, axis=1)
    with (
        Pipeline(tiny, Placement(engine=fake_engine), enlarger=Enlarger(golden / "engines" / "twice.onnx")) as pipeline,
        Pipeline(tiny, Placement(engine=fake_engine)) as without,
    ):
        result = pipeline("a", image=picture, enlarge=2, strength=0.7, seed=3)
        expected = without("a", image=Image.fromarray(pixels), strength=0.7, seed=3)
        assert _differ(result.images[0], expected.images[0]) == 0
        assert result.metadata(0)["enlarger"].startswith("twice.onnx ")
        assert pipeline("a", image=picture, enlarge=4, seed=3).images[0].size == (192, 288)
        assert "enlarger" not in pipeline("a", seed=3).metadata(0)


def test_a_size_is_rounded_to_what_the_model_draws(tiny):
    space = tiny.manifest.recipe.first.space
    assert enlarging.size(space, (64, 72), 1.3) == (80, 96)
