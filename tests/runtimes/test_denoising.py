"""A noisy picture in a model over pixels, whose network is a formula: what comes out is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.errors import RecipeError, SettingError
from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.recipe.declarations import Noisy
from edgediff_runtimes.recipe.wires import check_wires

SPREAD = 0.5  # of the pictures that the formula knows, around grey, where black is -1
KEPT = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))  # alpha-bar of DDPM


def _wiener(feeds):
    """The noise that is expected in x where pictures are normal: exact for any sampler (Wiener 1949)."""
    kept = np.interp(feeds["timestep"], np.arange(1000), KEPT).reshape(-1, 1, 1, 1)
    gain = np.sqrt(1 - kept) / (kept * SPREAD**2 + 1 - kept)
    return {"out_sample": (gain * feeds["sample"]).astype(np.float32)}


@pytest.fixture
def pixels(golden):
    return Bundle.open(golden / "pixels")


@pytest.fixture
def pipeline(pixels):
    with Pipeline(pixels, Placement(engine=FakeEngine(lambda _, feeds: _wiener(feeds)))) as pipeline:
        yield pipeline


def _picture(level=0.1, side=32, channels=3):
    rng = np.random.default_rng(0)
    clean = SPREAD / 2 * rng.standard_normal((side, side, channels))
    noisy = 0.5 + clean + level * rng.standard_normal(clean.shape)
    return Image.fromarray((255 * noisy).round().clip(0, 255).astype(np.uint8).squeeze())


def test_one_call_gives_what_is_expected_of_the_clean_picture(pipeline):
    """The picture shrunk towards grey by signal over signal and noise; alpha must stand where it belongs for that."""
    noisy = _picture()
    t = int(np.abs(np.sqrt((1 - KEPT) / KEPT) - 0.2).argmin())
    options = {"sampler": "ddpm", "sampler_options": {"timesteps": [t], "clip_sample": False}}
    result = pipeline(denoise=noisy, noise_level=0.1, seed=0, **options)
    sigma = np.sqrt((1 - KEPT[t]) / KEPT[t])
    picture = 2 * np.asarray(noisy, np.float32).transpose(2, 0, 1) / 255 - 1
    np.testing.assert_allclose(result.latents[0], picture * SPREAD**2 / (SPREAD**2 + sigma**2), atol=1e-4)


def test_no_noise_is_added_and_each_picture_of_a_run_begins_alike(pipeline):
    result = pipeline(denoise=_picture(), noise_level=0.1, seed=0, images=2, steps=50, sampler="ddim")
    assert np.array_equal(result.latents[0], result.latents[1])
    other = pipeline(denoise=_picture(), noise_level=0.1, seed=5, steps=50, sampler="ddim")
    np.testing.assert_allclose(other.latents[0], result.latents[0], atol=1e-6)


def test_what_is_drawn_has_the_spread_that_the_model_knows(pipeline):
    """The chain gives a picture that fits and not the mean of all, which would be flatter."""
    stochastic = pipeline(denoise=_picture(0.2, side=64), noise_level=0.2, seed=0, steps=200, sampler="ddpm")
    expected = SPREAD * SPREAD / np.sqrt(SPREAD**2 + 0.4**2)  # of the mean of all
    assert 1.1 * expected < stochastic.latents.std() < SPREAD  # DDPM clips, and takes the smaller variances


def test_the_level_is_estimated_where_none_is_told(pipeline):
    """Pictures of independent pixels are nothing but noise to an estimate: their own spread and the noise's."""
    level = pipeline.stream(denoise=_picture(), steps=50).settings.option("noise_level")
    assert level == pytest.approx(np.hypot(SPREAD / 2, 0.1), rel=0.15)  # some of it is cut off


def test_a_grey_model_sees_grey(golden):
    configs = Configs({"_class_name": "DDPMPipeline"}, {"unet": {"in_channels": 1, "block_out_channels": [8, 8]}})
    opened = Bundle.open(golden / "pixels")
    manifest = dataclasses.replace(opened.manifest, recipe=family_of("DDPMPipeline").recipe(configs))
    engine = FakeEngine(lambda _, feeds: _wiener(feeds))
    with Pipeline(dataclasses.replace(opened, manifest=manifest), Placement(engine=engine)) as pipeline:
        colours = _picture()
        result = pipeline(denoise=colours, noise_level=0.1, steps=50)
        again = pipeline(denoise=colours.convert("L"), noise_level=0.1, steps=50, seed=result.seed)
    assert result.latents.shape == (1, 1, 32, 32)
    assert result.images[0].mode == "L"
    assert np.array_equal(result.latents, again.latents)


def test_a_distance_between_black_and_white_that_is_none_is_refused(pixels):
    stage = pixels.manifest.recipe.first
    parts = tuple(
        dataclasses.replace(part, span=0.0) if isinstance(part, Noisy) else part for part in stage.tasks["denoising"]
    )
    changed = dataclasses.replace(stage, tasks={**stage.tasks, "denoising": parts})
    recipe = dataclasses.replace(pixels.manifest.recipe, stages=(changed,))
    with pytest.raises(RecipeError, match="black and white 0 apart"):
        check_wires(recipe, {"unet": ((), ())}, ())


def test_a_bundle_without_the_task_says_so(pixels):
    stage = pixels.manifest.recipe.first
    only = dataclasses.replace(stage, tasks={name: stage.tasks[name] for name in [*stage.tasks][:1]})
    manifest = dataclasses.replace(pixels.manifest, recipe=dataclasses.replace(pixels.manifest.recipe, stages=(only,)))
    with (
        Pipeline(dataclasses.replace(pixels, manifest=manifest)) as pipeline,
        pytest.raises(
            SettingError, match="expected nothing, because the bundle has no task that takes a noisy"
        ) as caught,
    ):
        pipeline.stream(denoise=_picture())
    assert "models that work on pixels have one" in caught.value.hint
