"""Models that edit a picture of the caller's: what may be asked of them, and of no others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.errors import ManifestError, SettingError
from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.images import within_area
from edgediff_runtimes.recipe import Space
from edgediff_runtimes.recipe.declarations import Affine
from edgediff_runtimes.settings.resolve import options_of, pictures_of, resolve_settings, task_of
from edgediff_runtimes.settings.several import told_apart

IMAGE = "photo.png"


def _configs(class_name, *, channels=8, **index):
    clip = {"num_hidden_layers": 2}
    return Configs(
        {"_class_name": class_name, **index},
        {
            "text_encoder": clip,
            "text_encoder_2": clip,
            "unet": {"in_channels": channels, "sample_size": 64},
            "vae": {"latent_channels": 4, "block_out_channels": [1, 1, 1, 1], "scaling_factor": 0.13},
        },
    )


@pytest.fixture
def resolve():
    """Settings of a run of InstructPix2Pix from a picture of 100 by 70 pixels, or of another model."""

    def resolve(class_name="StableDiffusionInstructPix2PixPipeline", *, channels=8, size=(100, 70), **options):
        configs = _configs(class_name, channels=channels)
        family = family_of(class_name)
        recipe, defaults = family.recipe(configs), family.defaults(configs)
        return resolve_settings(recipe, defaults, "make it snow", options, image_size=size)

    return resolve


@pytest.mark.parametrize("kind", ["StableDiffusion", "StableDiffusionXL"])
def test_it_draws_from_a_picture_alone_and_keeps_its_size(resolve, kind):
    settings = resolve(f"{kind}InstructPix2PixPipeline", image=IMAGE, guidance=5)
    assert (settings.task, settings.pictures, settings.strength, settings.encode) == ("edit", ("image",), None, None)
    assert (settings.width, settings.height) == (96, 64)
    assert (settings.guided, settings.choices["image_guidance"]) == (True, 1.5)
    with pytest.raises(SettingError, match="expected a picture, because the bundle draws from one"):
        resolve(f"{kind}InstructPix2PixPipeline", size=None)


def test_a_run_is_told_again_from_its_settings(resolve):
    told = resolve(image=IMAGE, image_guidance=2.0, seed=3).of_image(0)
    prompt, options = options_of(told)
    assert (prompt, options["image_guidance"], pictures_of(told)) == ("make it snow", 2.0, ("image",))
    assert resolve(**{**options, "image": IMAGE}).of_image(0) == told


@pytest.mark.parametrize(
    ("options", "setting", "expected"),
    [
        ({"image_guidance": 0.5}, "image_guidance", "a number of at least 1"),
        ({"image_guidance": float("nan")}, "image_guidance", "a finite number"),
        ({"image_guidance": 2.0, "guidance": 1}, "image_guidance", "nothing, because without guidance above 1"),
        ({"strength": 0.5}, "strength", "nothing, because the bundle's model does not take it"),
        ({"encode": "mode"}, "encode", "nothing, because the bundle's model does not take it"),
    ],
    ids=str,
)
def test_what_does_not_suit_an_edit_is_refused(resolve, options, setting, expected):
    with pytest.raises(SettingError, match=f": expected {expected}") as caught:
        resolve(image=IMAGE, **options)
    assert caught.value.setting == setting


def test_no_other_model_weighs_a_picture(resolve):
    with pytest.raises(SettingError, match=r"image_guidance.* does not weigh a picture beside its text"):
        resolve("StableDiffusionPipeline", channels=4, size=None, image_guidance=1.5)


def test_without_guidance_the_picture_has_no_scale(resolve):
    settings = resolve(image=IMAGE, guidance=1)
    assert (settings.guided, settings.choices) == (False, {})


def test_latents_of_the_picture_are_scaled_for_cosxl_alone():
    def times(**index):
        configs = _configs("StableDiffusionXLInstructPix2PixPipeline", **index)
        parts = family_of(configs.class_name).recipe(configs).first.tasks["edit"]
        return next(part.times for part in parts if isinstance(part, Affine))

    assert (times(), times(is_cosxl_edit=True)) == (1.0, 0.13)


def _qwen(**processor):
    by_name = {
        "processor": processor,
        "text_encoder": {
            "num_hidden_layers": 2,
            "vision_config": {"patch_size": 14, "spatial_merge_size": 2, "window_size": 112},
            "image_token_id": 7,
        },
        "vae": {"z_dim": 1, "temperal_downsample": [1, 1, 1], "latents_mean": [0.5], "latents_std": [2.0]},
    }
    return family_of("QwenImageEditPipeline").recipe(Configs({"_class_name": "QwenImageEditPipeline"}, by_name))


@pytest.mark.parametrize(
    ("picture", "size"), [((640, 480), (1184, 896)), ((500, 500), (1024, 1024)), ((9000, 100), (9728, 96))]
)
def test_qwen_draws_a_megapixel_in_the_shape_of_the_picture(picture, size):
    recipe = _qwen()
    assert recipe.tasks == ("edit",)
    assert recipe.first.space.from_picture(*picture) == size


@pytest.mark.parametrize(
    ("processor", "bounds"),
    [
        ({}, (3136, 1003520)),
        ({"size": {"shortest_edge": 5, "longest_edge": 6}}, (5, 6)),
        ({"size": {"shortest_edge": 5}, "min_pixels": 3, "max_pixels": 4}, (3, 4)),
    ],
)
def test_how_large_qwen_sees_a_picture_is_said_by_its_processor(processor, bounds):
    part = _qwen(**processor).first.given[0]
    assert (part.least, part.most) == bounds


@pytest.mark.parametrize("mean", [[0.5], [0.5, "a", 0.5], 0.5])
def test_colours_are_three_numbers(mean):
    with pytest.raises(ManifestError, match=r"processor/config.json.image_mean` is .*: expected (3 finite|an array)"):
        _qwen(image_mean=mean)


@pytest.mark.parametrize(
    ("picture", "size"),
    [((640, 480), (1184, 880)), ((480, 640), (880, 1184)), ((4000, 4000), (1024, 1024)), ((9000, 100), (1568, 672))],
)
def test_kontext_draws_at_the_size_it_was_trained_at_that_is_nearest_in_shape(picture, size):
    by_name = {
        "transformer": {"axes_dims_rope": [16, 56, 56], "guidance_embeds": True},
        "vae": {"latent_channels": 16, "block_out_channels": [1, 1, 1, 1]},
    }
    recipe = family_of("FluxKontextPipeline").recipe(Configs({"_class_name": "FluxKontextPipeline"}, by_name))
    assert recipe.tasks == ("text-to-image", "edit")
    assert recipe.first.space.from_picture(*picture) == size


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (Space(4, factor=8), (96, 72)),
        (Space(4, factor=8, multiple=16), (96, 64)),
        (Space(4, factor=8, area=4000), (72, 48)),  # 100x77 in its own shape is 72x55
        (Space(4, factor=8, area=8000), (96, 72)),
        (Space(4, factor=128), (128, 128)),
    ],
    ids=str,
)
def test_a_picture_says_the_size_of_a_run(space, size):
    assert space.from_picture(100, 77) == size


def test_a_picture_is_cut_around_its_middle():
    pixels = np.arange(30 * 21, dtype=np.uint8).reshape(21, 30)
    image = within_area(Image.fromarray(pixels), area=900, multiple=8)
    np.testing.assert_array_equal(np.asarray(image), pixels[2:18, 3:27])
    assert within_area(Image.new("RGB", (400, 100)), area=10_000, multiple=16).size == (192, 48)


def _klein():
    by_name = {
        "text_encoder": {"num_hidden_layers": 4},
        "transformer": {"axes_dims_rope": [4, 4, 4, 4]},
        "vae": {"latent_channels": 4, "block_out_channels": [1, 1]},
    }
    return family_of("Flux2KleinPipeline").recipe(Configs({"_class_name": "Flux2KleinPipeline"}, by_name))


@pytest.mark.parametrize(
    ("image", "task", "names"),
    [
        (None, "text-to-image", ()),
        ("a.png", "edit", ("image",)),
        (["a.png"], "edit", ("image",)),
        (("a.png", "b.png", "c.png"), "edit-3", ("image", "image_2", "image_3")),
    ],
)
def test_several_pictures_ask_for_a_task_of_their_own(image, task, names):
    assert task_of(_klein(), told_apart({"image": image})) == (task, names)


@pytest.mark.parametrize("image", [[], ["a.png"] * 5])
def test_no_more_pictures_than_have_names(image):
    with pytest.raises(SettingError, match=f"{len(image)} pictures.*: expected one picture, or up to 4"):
        told_apart({"image": image})


def test_a_model_that_draws_from_one_refuses_two(resolve):
    with pytest.raises(SettingError, match=r"2 pictures.*: expected at most 1, because the bundle draws from no more"):
        resolve(**told_apart({"image": ["a.png", "b.png"]}))
