"""Every setting is applied or refused; a refusal names the setting."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import get_type_hints

import numpy as np
import pytest

from edgediff_runtimes.errors import ImageError, SettingError
from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.recipe import Guidance, Recipe
from edgediff_runtimes.recipe.declarations import Sinusoid
from edgediff_runtimes.settings import Options, Settings, checks
from edgediff_runtimes.settings.prompting import EMBEDS
from edgediff_runtimes.settings.resolve import options_of, resolve_settings, settings_of

HUGE = 10**400

REFUSED = [
    # (options, the setting that the sentence names)
    ({"colour": "red"}, "options"),
    ({"prompt": []}, "prompt"),
    ({"prompt": [3]}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"prompt": 3}, "prompt"),
    ({"prompt": b"a cat"}, "prompt"),
    ({"prompt": "a \udcff cat"}, "prompt"),  # what POSIX makes of a byte that is no UTF-8
    ({"prompt": ["a", "\udcff"]}, "prompt"),
    ({"negative_prompt": "\udcff"}, "negative_prompt"),
    ({"negative_prompt": "dull", "guidance": 1}, "negative_prompt"),
    ({"negative_prompt": "", "guidance": 0.5}, "negative_prompt"),
    ({"negative_prompt": ["dull", "grey"]}, "negative_prompt"),
    ({"negative_prompt": []}, "negative_prompt"),
    ({"negative_prompt": 3}, "negative_prompt"),
    ({"negative_prompt": [3]}, "negative_prompt"),
    ({"steps": 0}, "steps"),
    ({"steps": -1}, "steps"),
    ({"steps": 2.0}, "steps"),
    ({"steps": "4"}, "steps"),
    ({"steps": True}, "steps"),
    ({"images": 0}, "images"),
    ({"images": True}, "images"),
    ({"guidance": math.nan}, "guidance"),
    ({"guidance": math.inf}, "guidance"),
    ({"guidance": "7"}, "guidance"),
    ({"guidance": True}, "guidance"),
    ({"guidance": HUGE}, "guidance"),
    ({"variation_seed": 3}, "variation_seed"),
    ({"variation_strength": 1.1}, "variation_strength"),
    ({"variation_strength": math.nan}, "variation_strength"),
    ({"variation_strength": 0.5, "variation_seed": 2**64}, "variation_seed"),
    ({"blend": 0.5}, "blend"),
    ({"to_prompt": "b", "blend": 1.1}, "blend"),
    ({"to_prompt": "b", "blend": "half"}, "blend"),
    ({"to_prompt": ["b", "c"]}, "to_prompt"),
    ({"to_prompt": 3}, "to_prompt"),
    ({"to_prompt": "\udcff"}, "to_prompt"),
    ({"guidance_rescale": 1.1}, "guidance_rescale"),
    ({"guidance_rescale": -0.1}, "guidance_rescale"),
    ({"guidance_rescale": math.nan}, "guidance_rescale"),
    ({"guidance_rescale": 0.5, "guidance": 1}, "guidance_rescale"),
    ({"guidance_interval": (1.0, 0.5)}, "guidance_interval"),
    ({"guidance_interval": (1.0, 1.0)}, "guidance_interval"),
    ({"guidance_interval": (-1.0, 0.5)}, "guidance_interval"),
    ({"guidance_interval": (None, 0.5)}, "guidance_interval"),
    ({"guidance_interval": (0.1, math.nan)}, "guidance_interval"),
    ({"guidance_interval": (0.1, "high")}, "guidance_interval"),
    ({"guidance_interval": (0.1,)}, "guidance_interval"),
    ({"guidance_interval": 0.1}, "guidance_interval"),
    ({"guidance_interval": (0.1, 0.5), "guidance": 1}, "guidance_interval"),
    ({"reuse_guidance": 0}, "reuse_guidance"),
    ({"reuse_guidance": 1.5}, "reuse_guidance"),
    ({"reuse_guidance": 2, "guidance": 1}, "reuse_guidance"),
    ({"seed": 1.5}, "seed"),
    ({"seed": "1"}, "seed"),
    ({"seed": True}, "seed"),
    ({"seed": np.True_}, "seed"),
    ({"seed": np.float32(1)}, "seed"),
    ({"steps": np.float64(2)}, "steps"),
    ({"guidance": np.True_}, "guidance"),
    ({"guidance": np.float32(np.inf)}, "guidance"),
    ({"guidance": 1j}, "guidance"),
    ({"seed": 2**64}, "seed"),
    ({"seed": -(2**63) - 1}, "seed"),
    ({"noise": "dice"}, "noise"),
    ({"noise": 3}, "noise"),
    ({"noise": []}, "noise"),
    ({"sampler": 3}, "sampler"),
    ({"sampler_options": "trailing"}, "sampler_options"),
    ({"sampler_options": [("eta", 1)]}, "sampler_options"),
    ({"sampler_options": {1: 2}}, "sampler_options"),
    ({"sampler_options": {"steps": 3}}, "sampler_options"),
    ({"sampler_options": {"config": {}}}, "sampler_options"),
    ({"sampler_options": {"sigmas": 1j}}, "sampler_options"),
    ({"width": 60}, "width"),
    ({"width": 0}, "width"),
    ({"width": 64.0}, "width"),
    ({"width": -64}, "width"),
    ({"height": 4}, "height"),
    ({"height": "64"}, "height"),
    ({"strength": 0.5}, "strength"),
    ({"encode": "mode"}, "encode"),
    ({"image": "x.png", "strength": 0}, "strength"),
    ({"image": "x.png", "strength": 1.01}, "strength"),
    ({"image": "x.png", "strength": math.nan}, "strength"),
    ({"image": "x.png", "strength": "half"}, "strength"),
    ({"image": "x.png", "encode": "median"}, "encode"),
]


@pytest.fixture
def resolve(manifest):
    def resolve(*, size=(64, 64), distilled=False, **options):
        prompt = options.pop("prompt", "a cat")
        image_size = None if "image" not in options else size
        recipe = manifest.recipe
        if distilled:
            recipe = Recipe(
                (
                    dataclasses.replace(
                        recipe.first, guidance=None, given=(*recipe.first.given, Sinusoid("guidance", "s", 8))
                    ),
                )
            )
        return resolve_settings(recipe, manifest.defaults, prompt, options, image_size=image_size)

    return resolve


@pytest.mark.parametrize(("options", "name"), REFUSED, ids=lambda part: str(part)[:60])
def test_a_refusal_names_the_setting(resolve, options, name):
    with pytest.raises(SettingError) as caught:
        resolve(**options)
    assert caught.value.setting == name
    assert f"`{name}` is " in caught.value.sentence
    assert "expected" in caught.value.sentence
    assert isinstance(caught.value, ValueError)


def test_defaults_are_the_manifests(resolve, manifest):
    settings = resolve()
    defaults = manifest.defaults
    assert (settings.steps, settings.guidance) == (defaults.steps, defaults.guidance)
    assert (settings.width, settings.height) == (defaults.width, defaults.height)
    assert settings.sampler is None
    assert settings.sampler_options == {}
    assert settings.negative_prompts == ("",)
    assert (settings.noise, settings.guidance_rescale, settings.images_per_prompt) == ("torch-cpu", 0.0, 1)
    assert (settings.strength, settings.encode) == (None, None)


def test_what_is_given_replaces_the_default(resolve):
    given = {"steps": 7, "guidance": 2.5, "width": 128, "height": 8, "sampler": "euler", "seed": 5, "noise": "numpy"}
    settings = resolve(**given, guidance_rescale=0.25, sampler_options={"eta": 1.0})
    assert {name: getattr(settings, name) for name in given} == given
    assert settings.guidance_rescale == 0.25
    assert settings.sampler_options == {"eta": 1.0}


@pytest.mark.parametrize("name", ["timesteps", "sigmas"])
def test_a_grid_of_ones_own_says_the_steps(resolve, manifest, name):
    assert resolve(sampler_options={name: [900, 500, 100]}).steps is None
    assert resolve(sampler_options={name: [900, 500, 100]}, steps=3).steps == 3
    assert resolve(sampler_options={name: None}).steps == manifest.defaults.steps


NUMPY = [
    ("seed", np.int64(3), 3),
    ("seed", np.uint64(2**64 - 1), 2**64 - 1),
    ("steps", np.int16(4), 4),
    ("images", np.uint8(2), 2),
    ("width", np.int32(64), 64),
    ("height", np.int64(72), 72),
    ("guidance", np.float32(2.5), 2.5),
    ("guidance", np.int64(2), 2.0),
    ("guidance_rescale", np.float16(0.5), 0.5),
    ("strength", np.float64(0.5), 0.5),
]


@pytest.mark.parametrize(("name", "value", "expected"), NUMPY, ids=repr)
def test_numbers_of_numpy_become_pythons_own(resolve, name, value, expected):
    settings = resolve(**{name: value}, **({"image": "x.png"} if name == "strength" else {}))
    got = getattr(settings, "images_per_prompt" if name == "images" else name)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize("value", [True, np.True_, 64.0, np.float32(64), "64", [64]], ids=repr)
def test_a_size_that_is_no_whole_number_is_told_so(resolve, value):
    with pytest.raises(SettingError, match="expected a whole number"):
        resolve(width=value)


def test_none_takes_the_default(resolve):
    options = dict.fromkeys(Options.__annotations__.keys() - {"image"})
    assert dataclasses.replace(resolve(**options), seed=0) == dataclasses.replace(resolve(), seed=0)


@pytest.mark.parametrize("given", [{}, {"seed": -1}], ids=["left out", "-1"])
def test_a_seed_of_its_own_for_every_run(resolve, given):
    seeds = {resolve(**given).seed for _ in range(8)}
    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_seeds_count_up_over_prompts_and_images(resolve):
    settings = resolve(prompt=["a", "b"], images=3, seed=10)
    assert settings.batch == 6
    assert settings.seeds == (10, 11, 12, 13, 14, 15)


def test_a_seed_that_would_count_to_the_random_one_is_its_equal(resolve):
    seeds = resolve(images=3, seed=-2).seeds
    assert seeds == (-2, 2**64 - 1, 0)
    first, second = (noise_source(seed).standard_normal((4,)) for seed in (-1, seeds[1]))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("guidance", [1.0, 0.0, -2.0])
def test_without_guidance_there_is_no_negative_prompt(resolve, guidance):
    assert resolve(guidance=guidance).negative_prompts == ()


def test_a_distilled_network_has_no_negative_prompt(resolve):
    assert resolve(distilled=True, guidance=8.0).negative_prompts == ()
    with pytest.raises(SettingError, match="negative_prompt"):
        resolve(distilled=True, guidance=8.0, negative_prompt="dull")


def test_one_negative_prompt_for_all_or_one_for_each(resolve):
    assert resolve(prompt=["a", "b"], negative_prompt="dull").negative_prompts == ("dull", "dull")
    assert resolve(prompt=["a", "b"], negative_prompt=["x", "y"]).negative_prompts == ("x", "y")


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 96), (64, 96)), ((71, 90), (64, 88)), ((3, 5), (8, 8)), ((1024, 9), (1024, 8))]
)
def test_an_image_keeps_its_size_in_whole_latent_pixels(resolve, size, expected):
    settings = resolve(image="x.png", size=size)
    assert (settings.width, settings.height) == expected
    assert (settings.strength, settings.encode) == (0.8, "sample")


def test_a_size_that_is_given_is_that_of_the_picture(resolve):
    settings = resolve(image="x.png", size=(71, 90), width=128)
    assert (settings.width, settings.height) == (128, 88)


@pytest.mark.parametrize(("width", "near"), [(60, 64), (4, 8), (67, 64), (-3, 8)])
def test_the_hint_is_the_nearest_size(resolve, width, near):
    with pytest.raises(SettingError) as caught:
        resolve(width=width)
    assert caught.value.hint == f"{near} is the nearest"


def changed(manifest, **changes):
    """The manifest's recipe with other fields of its stage."""
    return Recipe((dataclasses.replace(manifest.recipe.first, **changes),))


def test_a_side_is_at_most_as_long_as_the_model_has_positions_for(manifest):
    recipe = changed(manifest, space=dataclasses.replace(manifest.recipe.first.space, largest=128))
    settings = resolve_settings(recipe, manifest.defaults, "a cat", {"width": 128, "height": 128}, image_size=None)
    assert (settings.width, settings.height) == (128, 128)
    with pytest.raises(SettingError, match=r"`height` is 136: expected at most 128"):
        resolve_settings(recipe, manifest.defaults, "a cat", {"width": 8, "height": 136}, image_size=None)


def test_a_negative_prompt_wants_the_scale_that_it_is_weighed_with(manifest):
    recipe = changed(manifest, guidance=Guidance("true_guidance", negative=True))
    dull = {"negative_prompt": "dull"}
    with pytest.raises(SettingError) as caught:
        resolve_settings(recipe, manifest.defaults, "a cat", dull, image_size=None)
    assert caught.value.hint == "raise `true_guidance`"
    settings = resolve_settings(recipe, manifest.defaults, "a cat", {**dull, "true_guidance": 4}, image_size=None)
    assert (settings.guided, settings.negative_prompts, settings.option("true_guidance")) == (True, ("dull",), 4)


@pytest.mark.parametrize("scale", ["guidance", "true_guidance"])
def test_a_scale_without_the_negative_prompt_that_it_needs_is_refused(manifest, scale):
    recipe = changed(manifest, guidance=Guidance(scale, negative=True))
    for value, sentence in ((4, "expected at most 1, because without a negative prompt"), ("x", "expected a finite")):
        with pytest.raises(SettingError, match=sentence):
            resolve_settings(recipe, manifest.defaults, "a cat", {scale: value}, image_size=None)
    settings = resolve_settings(recipe, manifest.defaults, "a cat", {scale: 1}, image_size=None)
    assert not settings.guided
    settings = resolve_settings(recipe, manifest.defaults, "a cat", {}, image_size=None)
    prompt, again = options_of(settings.of_image(0))
    assert resolve_settings(recipe, manifest.defaults, prompt, again, image_size=None) == settings


@pytest.mark.parametrize(
    ("guidance", "guided", "negatives"),
    [
        (None, False, ()),
        (Guidance(), True, ("",)),
        (Guidance(above=9.0), False, ()),
        (Guidance("true_guidance"), False, ()),
        (Guidance(negative=True), False, ()),
    ],
)
def test_a_later_stage_has_the_guidance_that_it_says(manifest, guidance, guided, negatives):
    settings = resolve_settings(manifest.recipe, manifest.defaults, "a cat", {"guidance": 5}, image_size=None)
    first = dataclasses.replace(settings, negative_prompts=())
    later = settings_of(dataclasses.replace(manifest.recipe.first, guidance=guidance), first)
    assert (later.guided, later.negative_prompts) == (guided, negatives)


def test_options_and_settings_speak_of_the_same_things():
    hints = get_type_hints(Options)
    names = {field.name for field in dataclasses.fields(Settings)}
    only_asked = {"negative_prompt", "to_prompt", "image", "images", "class_label", "true_guidance", "image_guidance"}
    only_asked |= {name for name in hints if name.startswith(("original_", "crop_left", "crop_top", "target_"))}
    only_asked |= {"aesthetic_score", "negative_aesthetic_score", "refiner_start", "denoise", "noise_level", *EMBEDS}
    only_asked |= {"control_image", "control_scale", "control_start", "control_end", "control_preprocessor"}
    only_asked |= {"prompt_image", "prompt_image_scale"}
    assert hints.keys() - names == only_asked
    lists = {"prompts", "negative_prompts", "to_prompts", "pictures"}
    assert names - hints.keys() == {*lists, "images_per_prompt", "task", "guided", "choices", "embeds"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"guidance": 1.0},
        {"negative_prompt": "dull", "guidance_rescale": 0.5},
        {"sampler": "euler", "sampler_options": {"timestep_spacing": "trailing"}, "noise": "numpy", "steps": 9},
        {"image": "x.png", "strength": 0.5, "encode": "mode", "width": 128},
        {"seed": 2**64 - 1, "images": 2},
        {"seed": -2, "images": 3},
        {"seed": -5, "prompt": ["a", "b"], "images": 2, "negative_prompt": ["x", "y"]},
        {"sampler": "euler", "sampler_options": {"timesteps": [900, 500, 100]}},
        {"variation_strength": 0.25, "variation_seed": 2**64 - 1, "images": 2},
        {"variation_strength": 0},
        {"prompt": ["a", "b"], "to_prompt": ["c", "d"], "blend": 0.25},
        {"to_prompt": "b"},
        {"seed": np.int64(3), "guidance": np.float32(2.5), "width": np.int32(64), "steps": np.uint8(4)},
    ],
    ids=str,
)
def test_the_settings_of_a_picture_draw_it_again(resolve, options):
    settings = resolve(**options)
    for index in range(settings.batch):
        values = json.loads(json.dumps(settings.of_image(index)))
        prompt, repeated = options_of(values)
        again = resolve(prompt=prompt, **repeated, **({"image": "x.png"} if "image" in options else {}))
        assert json.loads(json.dumps(again.of_image(0))) == values
        assert prompt == settings.prompts[index // settings.images_per_prompt]
        assert again.seed == settings.seeds[index]
        assert again.batch == 1


@pytest.mark.parametrize(
    "change",
    [
        {"prompts": "abc"},
        {"prompts": [3]},
        {"prompts": None},
        {"negative_prompts": 3},
        {"negative_prompts": [None]},
        {"extra": 1},
        {"steps": ...},
    ],
    ids=str,
)
def test_settings_of_another_kind_are_refused(resolve, change):
    values = {**resolve().of_image(0), **change}
    values = {name: value for name, value in values.items() if value is not ...}
    with pytest.raises(ImageError, match="not those of this edgediff"):
        options_of(values)


@pytest.mark.parametrize("values", [None, [], "text", {}, 3])
def test_no_settings_at_all_are_refused(values):
    with pytest.raises(ImageError, match="not those of this edgediff"):
        options_of(values)


def test_the_full_decoder_is_every_bundles(resolve, manifest):
    assert "decoder" not in manifest.recipe.options
    assert resolve(decoder="full", seed=1) == resolve(seed=1)
    with pytest.raises(SettingError, match="`decoder` is 'foo': expected `full` or `tiny`"):
        resolve(decoder="foo")


@pytest.mark.parametrize(("family", "hinted"), [("stable-diffusion", True), ("sana", False), ("ddpm", False)])
def test_a_small_decoder_is_advised_where_the_family_takes_one(manifest, family, hinted):
    with pytest.raises(SettingError, match="`decoder` is 'tiny': expected `full`, because") as caught:
        checks.decoder("tiny", manifest.recipe, family=family)
    assert (caught.value.hint is not None) == hinted
