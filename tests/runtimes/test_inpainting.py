"""Drawing into a picture, with an engine of NumPy functions: which task, what is kept, what is refused."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from grown_bundles import grown
from PIL import Image

from edgediff_runtimes.bundle.derived import derive_manifest
from edgediff_runtimes.errors import SamplerError, SettingError
from edgediff_runtimes.families.control import given_residuals
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality.pictures import with_pictures
from edgediff_runtimes.settings.resolve import options_of

SIZE = (64, 48)


@pytest.fixture
def bundle(tiny, bundle_dir):
    """Makes the bundle with the recipe that its family makes now, for a U-Net of so many channels."""

    def made(channels=4):
        config = bundle_dir / "unet" / "config.json"
        values = json.loads(config.read_text(encoding="utf-8"))
        config.write_text(json.dumps({**values, "in_channels": channels}), encoding="utf-8")
        recipe = derive_manifest(bundle_dir).recipe
        return dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, recipe=recipe))

    return made


@pytest.fixture
def pipeline(bundle, fake_engine):
    with Pipeline(bundle(), Placement(engine=fake_engine)) as pipeline:
        yield pipeline


@pytest.fixture
def image():
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.uint8)
    return Image.fromarray(np.stack([x * 4, y * 5, x + y], axis=-1))


@pytest.fixture
def mask():
    """Its right half."""
    made = Image.new("L", SIZE, "black")
    made.paste("white", (32, 0, 64, 48))
    return made


ASKED = {"seed": 3, "steps": 4}


def known_latents(answers, image):
    """What the encoder gives for a picture, as its mean, scaled."""
    pixels = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    return answers["vae_encoder"]({"sample": pixels})["latent_parameters"][:, :4] * np.float32(0.5)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("sampler", [None, "ddim", "euler_a", "heun", "dpmpp_2m", "dpmpp_sde", "lms"])
def test_the_known_part_stays(pipeline, answers, image, mask, strength, sampler):
    result = pipeline("a", image=image, mask=mask, strength=strength, sampler=sampler, encode="mode", **ASKED)
    known = known_latents(answers, image)
    np.testing.assert_allclose(result.latents[..., :4], known[..., :4], atol=1e-6)
    assert np.abs(result.latents[..., 4:] - known[..., 4:]).mean() > 0.05


def test_at_every_step_the_network_sees_the_known_part_at_its_level(pipeline, answers, image, mask):
    seen = []
    predict = answers["unet"]
    answers["unet"] = lambda feeds: seen.append(feeds["sample"].copy()) or predict(feeds)
    asked = {"image": image, "mask": mask, "encode": "mode", "sampler": "ddim", "guidance": 1}
    whole = pipeline("a", strength=1.0, **asked, **ASKED)
    assert whole.settings.task == "inpaint-from-noise"
    known = known_latents(answers, image)
    left = [sample[..., :4] for sample in seen]
    noise = left[0]  # from noise alone: the first call has nothing of the picture
    shares = [_share(sample, known[..., :4], noise) for sample in left[1:]]
    assert all(error < 1e-5 for *_, error in shares)
    signal = [alpha for alpha, *_ in shares]
    assert signal == sorted(signal)
    seen.clear()
    partly = pipeline("a", strength=0.5, **asked, **ASKED)
    assert partly.settings.task == "inpaint"
    assert len(seen) == 2
    assert _share(seen[0][..., :4], known[..., :4], noise)[2] < 1e-5


def _share(sample, known, noise):
    """How much signal and noise are in a sample, and what is left."""
    pair = np.stack([known.ravel(), noise.ravel()], axis=1)
    shares, *_ = np.linalg.lstsq(pair, sample.ravel(), rcond=None)
    return *shares, np.abs(pair @ shares - sample.ravel()).max()


def test_a_preview_has_the_known_part(pipeline, answers, image, mask):
    with pipeline.stream("a", image=image, mask=mask, encode="mode", **ASKED) as run:
        step = next(run)
    np.testing.assert_allclose(step.denoised[..., :4], known_latents(answers, image)[..., :4], atol=1e-6)


def test_without_a_strength_it_is_the_family_s(pipeline, image, mask):
    assert pipeline("a", image=image, mask=mask, **ASKED).settings.strength == 1.0
    assert pipeline("a", image=image, **ASKED).settings.strength == 0.8
    assert pipeline("a", image=image, extend={"left": 8}, **ASKED).settings.strength == 1.0


def test_several_pictures_have_noise_of_their_own(pipeline, image, mask):
    several = pipeline("a", image=image, mask=mask, images=2, strength=0.5, **ASKED)
    alone = pipeline("a", image=image, mask=mask, strength=0.5, **{**ASKED, "seed": 4})
    np.testing.assert_allclose(several.latents[1], alone.latents[0], atol=1e-5)


@pytest.mark.parametrize(("strength", "encoded"), [(0.5, 2), (1.0, 1)])
def test_a_network_that_is_shown_the_mask(bundle, fake_engine, answers, calls, image, mask, strength, encoded):
    seen = []
    answers["unet"] = lambda feeds: seen.append(feeds["sample"].copy()) or {"out_sample": feeds["sample"][:, :4]}
    with Pipeline(bundle(9), Placement(engine=fake_engine)) as pipeline:
        assert pipeline.bundle.manifest.tasks == ("inpaint", "inpaint-from-noise")
        result = pipeline("a", image=image, mask=mask, strength=strength, encode="mode", **ASKED)
        with pytest.raises(SettingError, match=r"`image` is None: expected a picture, because the bundle draws from"):
            pipeline("a", **ASKED)
        with pytest.raises(SettingError, match=r"`mask` is None: expected a mask, because the bundle draws into"):
            pipeline("a", image=image, **ASKED)
    assert [role for role, _ in calls].count("vae_encoder") == encoded
    assert result.latents.shape == (1, 4, 6, 8)
    assert all(sample.shape == (2, 9, 6, 8) for sample in seen)
    small = np.zeros((6, 8), np.float32)
    small[:, 4:] = 1
    np.testing.assert_array_equal(seen[0][:, 4], np.stack([small, small]))
    masked = Image.fromarray(np.where(np.asarray(mask)[..., None] > 0, 127, np.asarray(image)).astype(np.uint8))
    np.testing.assert_allclose(seen[0][1, 5:, :, :4], known_latents(answers, masked)[0, :, :, :4], atol=1e-6)
    np.testing.assert_allclose(seen[0][1, 5:, :, 4:], 0, atol=1e-6)


def test_a_network_that_is_shown_every_pixel_takes_a_mask_of_one(bundle, fake_engine, answers, image):
    dot = Image.new("L", SIZE, "black")
    dot.putpixel((9, 10), 255)
    seen = []
    answers["unet"] = lambda feeds: seen.append(feeds["sample"].copy()) or {"out_sample": feeds["sample"][:, :4]}
    with Pipeline(bundle(2 * 4 + 8 * 8), Placement(engine=fake_engine)) as pipeline:
        pipeline("a", image=image, mask=dot, encode="mode", **ASKED)
    folded = np.zeros((64, 6, 8), np.float32)
    folded[2 * 8 + 1, 1, 1] = 1
    np.testing.assert_array_equal(seen[0][0, 8:], folded)


def test_where_prompts_are_drawn_to_measure_it_is_given_a_picture_with_a_mask(bundle, fake_engine, answers):
    answers["unet"] = lambda feeds: {"out_sample": feeds["sample"][:, :4]}
    with Pipeline(bundle(9), Placement(engine=fake_engine)) as pipeline:
        manifest = pipeline.bundle.manifest
        call = with_pictures(manifest.recipe, manifest.defaults, {**ASKED, "width": 64, "height": 48})
        result = pipeline("a", **call)
    assert result.settings.pictures == ("image", "mask")
    assert result.images[0].size == SIZE


def test_a_start_that_is_told_as_a_noise_level_goes_on_from_the_picture(pipeline, image, mask):
    settings = pipeline("a", image=image, mask=mask, noise_level=1.0, **ASKED).settings
    assert (settings.task, settings.strength) == ("inpaint", None)


def test_known_pixels_come_back_untouched(pipeline, image, mask):
    result = pipeline("a", image=image, mask=mask, keep="exact", **ASKED)
    np.testing.assert_array_equal(np.asarray(result.images[0])[:, :32], np.asarray(image)[:, :32])
    assert not np.array_equal(np.asarray(result.images[0])[:, 32:], np.asarray(image)[:, 32:])
    asked = pipeline("a", image=image, mask=mask, **ASKED)
    assert asked.settings.keep == "model"
    assert not np.array_equal(np.asarray(asked.images[0])[:, :32], np.asarray(image)[:, :32])


def test_a_picture_is_made_larger(pipeline, image):
    result = pipeline("a", image=image, extend={"left": 20, "top": 3}, **ASKED)
    assert result.images[0].size == (84, 51)
    assert (result.settings.width, result.settings.height) == (88, 56)
    assert result.settings.extend == {"left": 20, "top": 3}
    assert result.settings.keep == "exact"
    np.testing.assert_array_equal(np.asarray(result.images[0])[3:, 20:], np.asarray(image))


def test_a_cut_is_drawn_at_full_size_and_pasted_back(pipeline, calls):
    photo = Image.new("RGB", (300, 200), (10, 200, 30))
    spot = Image.new("L", (300, 200), "black")
    spot.paste("white", (100, 60, 130, 80))
    result = pipeline("a", image=photo, mask=spot, crop_mask=8, **ASKED)
    defaults = pipeline.bundle.manifest.defaults
    assert (result.settings.width, result.settings.height) == (defaults.width, defaults.height)
    assert ("vae_encoder", {"sample": (1, 3, defaults.height, defaults.width)}) in calls
    changed = (np.asarray(result.images[0]) != np.asarray(photo)).any(axis=-1)
    assert changed[60:80, 100:130].mean() > 0.9
    changed[60:80, 100:130] = False
    assert not changed.any()
    smaller = pipeline("a", image=photo, mask=spot, crop_mask=8, width=64, height=40, **ASKED)
    assert (smaller.settings.width, smaller.settings.height) == (64, 40)
    assert smaller.images[0].size == (300, 200)


@pytest.mark.parametrize("size", [(700, 1), (1, 700)])
def test_what_is_cut_of_a_thin_picture_has_a_size(pipeline, size):
    whole = Image.new("L", size, "white")
    assert pipeline("a", image=Image.new("RGB", size), mask=whole, crop_mask=0, **ASKED).images[0].size == size


def test_a_picture_that_steers_is_cut_like_the_one_that_is_drawn_into(bundle, fake_engine, answers):
    seen = {}
    for role in ("controlnet", "vae_encoder"):
        answers[role] = _kept(seen, role, answers.get(role, lambda _: dict.fromkeys(given_residuals(2), _NOTHING)))
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8))
    spot = Image.new("L", (300, 200), "black")
    spot.paste("white", (100, 60, 130, 80))
    with Pipeline(grown(bundle(), 1, skips=2), Placement(engine=fake_engine)) as pipeline:
        asked = {"image": photo, "mask": spot, "crop_mask": 8, "width": 64, "height": 40}
        pipeline("a", control_image=photo, **asked, **ASKED)
    np.testing.assert_allclose(seen["controlnet"]["controlnet_cond"] * 2 - 1, seen["vae_encoder"]["sample"], atol=1e-6)


_NOTHING = np.zeros((1, 1, 1, 1), np.float32)


def _kept(seen, role, answer):
    """``answer``, which also keeps what it was fed last."""
    return lambda feeds: seen.update({role: feeds}) or answer(feeds)


def test_a_text_is_encoded_for_a_model_that_draws_into_pictures_alone(bundle, fake_engine, answers, image, mask):
    answers["unet"] = lambda feeds: {"out_sample": feeds["sample"][:, :4] + feeds["encoder_hidden_states"].mean()}
    with Pipeline(bundle(9), Placement(engine=fake_engine)) as pipeline:
        asked = {"image": image, "mask": mask, **ASKED}
        drawn = pipeline(**pipeline.encode("a", "b").options, **asked)
        np.testing.assert_array_equal(drawn.latents, pipeline("a", negative_prompt="b", **asked).latents)


def test_what_is_new_of_a_large_picture_is_drawn_at_any_size(pipeline):
    photo = Image.new("RGB", (300, 200), (10, 200, 30))
    result = pipeline("a", image=photo, extend={"right": 50}, crop_mask=16, width=64, height=64, **ASKED)
    assert result.images[0].size == (350, 200)
    np.testing.assert_array_equal(np.asarray(result.images[0])[:, :300], np.asarray(photo))


def test_settings_draw_it_again(pipeline, image, mask):
    asked = {"mask": mask, "keep": "exact", "mask_blur": 2.0, "crop_mask": 4}
    first = pipeline("a", image=image, **asked, **ASKED)
    prompt, options = options_of(first.settings.of_image(0))
    assert options["mask"] is None  # a picture, which is to be given again
    again = pipeline(prompt, **{**options, "image": image, "mask": mask})
    assert again.settings == first.settings
    np.testing.assert_array_equal(np.asarray(again.images[0]), np.asarray(first.images[0]))
    larger = pipeline("a", image=image, extend={"left": 8}, **ASKED)
    prompt, options = options_of(larger.settings.of_image(0))
    assert pipeline(prompt, **{**options, "image": image}).settings == larger.settings


def test_a_picture_s_own_transparency_is_repeated_without_being_given(pipeline, image, mask):
    cut = image.copy()
    cut.putalpha(Image.eval(mask, lambda shade: 255 - shade))
    first = pipeline("a", image=cut, mask="alpha", **ASKED)
    assert first.settings.mask == "alpha"
    _, options = options_of(first.settings.of_image(0))
    assert options["mask"] == "alpha"


REFUSED = [
    # (options beside the image, the setting, what the sentence has)
    ({"mask": Image.new("L", (8, 8), "white")}, "mask", "expected a mask of 64x48 pixels"),
    ({"mask": Image.new("L", SIZE, "black")}, "mask", "black all over"),
    ({"mask": "alpha"}, "mask", "with transparent parts"),
    ({"mask_blur": 2}, "mask_blur", "because there is no mask"),
    ({"keep": "exact"}, "keep", "because there is no mask"),
    ({"crop_mask": 8}, "crop_mask", "because there is no mask"),
    ({"extend": {}}, "extend", "above 0 for at least one"),
    ({"extend": {"left": 0}}, "extend", "above 0 for at least one"),
    ({"extend": {"up": 8}}, "extend", "by side (left, top, right, bottom)"),
    ({"extend": {"left": -8}}, "extend", "expected whole pixels from 0 to 16,384"),
    ({"extend": {"left": 1.5}}, "extend", "expected whole pixels"),
    ({"extend": {"left": 10**9}}, "extend", "expected whole pixels from 0 to 16,384"),
    ({"extend": {"left": 16_000, "top": 16_000}}, "extend", "pixels in all"),
    ({"extend": "left=8"}, "extend", "expected pixels by side"),
    ({"extend": {"left": 8}, "width": 64}, "width", "expected the size of the larger picture, which is 72x48"),
    ({"mask": "M", "keep": "all"}, "keep", "expected `exact` or `model`"),
    ({"mask": "M", "keep": "model", "crop_mask": 8}, "keep", "around a cropped mask is pasted"),
    ({"mask": "M", "crop_mask": -1}, "crop_mask", "expected a whole number of pixels"),
    ({"mask": "M", "crop_mask": 1.5}, "crop_mask", "expected a whole number of pixels"),
    ({"mask": "M", "mask_blur": 2}, "mask_blur", "no known pixels are kept"),
    ({"mask": "M", "keep": "exact", "mask_blur": -1}, "mask_blur", "expected a number of pixels"),
    ({"mask": "M", "keep": "exact", "mask_blur": float("nan")}, "mask_blur", "expected a number of pixels"),
    ({"mask": "M", "enlarge": 2}, "enlarge", "expected nothing beside `mask`"),
    ({"extend": {"left": 8}, "enlarge": 2}, "enlarge", "expected nothing beside `mask`"),
    ({"mask": "M", "reuse": 3}, "reuse", "where part of a picture is kept"),
]


@pytest.mark.parametrize(("options", "setting", "words"), REFUSED, ids=lambda part: str(part)[:40])
def test_what_cannot_be_meant_is_refused(pipeline, image, mask, options, setting, words):
    options = {**options, **({"mask": mask} if options.get("mask") == "M" else {})}
    with pytest.raises(SettingError) as caught:
        pipeline("a", image=image, **options, **ASKED)
    assert caught.value.setting == setting
    assert words in caught.value.sentence


@pytest.mark.parametrize("options", [{"mask": Image.new("L", SIZE, "white")}, {"extend": {"left": 8}}])
def test_without_a_picture_there_is_nothing_to_draw_into(pipeline, options):
    with pytest.raises(SettingError) as caught:
        pipeline("a", **options, **ASKED)
    assert caught.value.sentence == f"`image` is None: expected a picture, because there is `{next(iter(options))}`"


def test_a_bundle_that_does_not_draw_into_pictures_says_so(tiny, fake_engine, image, mask):
    stage = tiny.manifest.recipe.first
    tasks = {task: parts for task, parts in stage.tasks.items() if not task.startswith("inpaint")}
    recipe = dataclasses.replace(tiny.manifest.recipe, stages=(dataclasses.replace(stage, tasks=tasks),))
    bundle = dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, recipe=recipe))
    with Pipeline(bundle, Placement(engine=fake_engine)) as pipeline:
        for options in ({"mask": mask}, {"extend": {"left": 8}}):
            with pytest.raises(SettingError, match=r"expected nothing, because the bundle does not draw into pictures"):
                pipeline("a", image=image, **options, **ASKED)


def test_a_sampler_that_cannot_keep_anything_is_refused(pipeline, image, mask):
    with pytest.raises(SamplerError):
        pipeline("a", image=image, mask=mask, sampler="ddim_inverse", **ASKED)
