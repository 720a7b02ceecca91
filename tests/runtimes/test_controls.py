"""What is said of control pictures: one for each component, or refused; and a run that is steered, without a graph."""

from __future__ import annotations

import dataclasses
import json

import grown_bundles
import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.errors import RecipeError, SettingError
from edgediff_runtimes.families.control import controlnets, given_residuals, taken_residuals
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.settings.controls import controlled
from edgediff_runtimes.settings.resolve import options_of

SKIPS = 2
PICTURE = Image.new("RGB", (40, 32), "red")


@pytest.fixture
def grown(bundle_dir):
    """``grown(count)``: the tiny bundle, opened, as if so many ControlNets had been added to it."""
    return lambda count: grown_bundles.grown(Bundle.open(bundle_dir), count, skips=SKIPS)


class Played:
    """Graphs that answer with what they are fed, and remember it."""

    def __init__(self):
        self.calls = []

    def __call__(self, role, feeds):
        self.calls.append((role, feeds))
        rows = len(next(iter(feeds.values())))
        if role == "text_encoder":
            return {"last_hidden_state": np.zeros((rows, 12, 8), np.float32)}
        if role.startswith("controlnet"):
            value = feeds["controlnet_cond"].mean() * feeds["conditioning_scale"][0]
            return {name: np.full((rows, 1, 2, 2), value, np.float32) for name in given_residuals(SKIPS)}
        if role == "unet":
            added = sum(array.mean() for name, array in feeds.items() if "residual" in name)
            return {"out_sample": feeds["sample"] * np.float32(0.1) + np.float32(added)}
        return {"sample": np.zeros((rows, 3, 8, 8), np.float32)}

    def roles(self):
        return [role for role, _ in self.calls if role.startswith(("unet", "controlnet"))]


def draw(bundle, **options):
    played = Played()
    with Pipeline(bundle, Placement(engine=FakeEngine(played))) as pipeline:
        result = pipeline("a red apple", seed=1, steps=4, guidance=1.0, **options)
    return result, played


def test_a_controlnet_is_asked_before_the_network_and_told_the_same(grown):
    result, played = draw(grown(1), control_image=PICTURE, control_scale=0.5)
    assert played.roles() == ["controlnet", "unet"] * 4
    (_, controlnet), (_, unet) = [call for call in played.calls if call[0] in ("controlnet", "unet")][:2]
    np.testing.assert_array_equal(controlnet["sample"], unet["sample"])
    np.testing.assert_array_equal(controlnet["timestep"], unet["timestep"])
    assert controlnet["conditioning_scale"].tolist() == [0.5]
    assert controlnet["controlnet_cond"].shape == (1, 3, result.settings.height, result.settings.width)
    given = np.float32(1 / 3) * np.float32(0.5)
    for name in taken_residuals(SKIPS):
        np.testing.assert_allclose(unet[name], given, rtol=1e-6)


def test_without_a_picture_the_network_is_fed_one_zero(grown):
    result, played = draw(grown(2))
    assert played.roles() == ["unet"] * 4
    unet = next(feeds for role, feeds in played.calls if role == "unet")
    for name in taken_residuals(SKIPS):
        assert unet[name].shape == (1, 1, 1, 1)
        assert not unet[name].any()
    assert not result.settings.choices.keys() & {"control_scale", "control_start"}


def test_outside_of_its_share_it_is_not_asked(grown):
    _, played = draw(grown(1), control_image=PICTURE, control_start=0.25, control_end=0.5)
    assert played.roles() == ["unet", "controlnet", "unet", "unet", "unet"]


def test_several_are_summed_and_one_can_be_left_out(grown):
    bundle = grown(3)
    assert controlled(bundle.manifest.recipe) == ("controlnet", "controlnet_2", "controlnet_3")
    _, played = draw(bundle, control_image=[PICTURE, None, PICTURE], control_scale=[1.0, None, 0.5])
    assert played.roles()[:3] == ["controlnet", "controlnet_3", "unet"]
    unet = next(feeds for role, feeds in played.calls if role == "unet")
    np.testing.assert_allclose(unet["mid_block_additional_residual"], 0.5, rtol=1e-6)


def test_what_was_drawn_is_drawn_again_from_its_settings(grown):
    bundle = grown(2)
    asked = {"control_image": [PICTURE, None], "control_scale": 0.4, "control_end": [0.5, None]}
    result, _ = draw(bundle, **asked, control_preprocessor="canny")
    values = json.loads(json.dumps(result.metadata(0)))["settings"]
    _, again = options_of(values)
    assert again["control_scale"] == [0.4, None]
    del again["steps"], again["guidance"], again["seed"]
    repeated, _ = draw(bundle, control_image=[PICTURE, None], **again)
    assert repeated.settings.choices == result.settings.choices
    np.testing.assert_array_equal(repeated.latents, result.latents)


REFUSED = [
    # (ControlNets, options, the setting that the sentence names, what it says)
    (0, {"control_image": PICTURE}, "control_image", "has no component for a picture to steer it with"),
    (0, {"control_scale": 0.5}, "control_scale", "has no component"),
    (1, {"control_scale": 0.5}, "control_scale", "there is no `control_image`"),
    (1, {"control_end": 0.5}, "control_end", "there is no `control_image`"),
    (1, {"control_image": [PICTURE, PICTURE]}, "control_image", "expected one, for controlnet"),
    (1, {"control_image": []}, "control_image", "expected one, for controlnet"),
    (1, {"control_image": [None]}, "control_image", "expected one, for controlnet"),
    (2, {"control_image": PICTURE}, "control_image", "2, one for each of controlnet, controlnet_2"),
    (2, {"control_image": [PICTURE] * 3}, "control_image", "2, one for each of controlnet, controlnet_2"),
    (1, {"control_image": PICTURE, "control_scale": "much"}, "control_scale", "a finite number"),
    (1, {"control_image": PICTURE, "control_scale": float("nan")}, "control_scale", "a finite number"),
    (
        2,
        {"control_image": [PICTURE] * 2, "control_scale": [1.0] * 3},
        "control_scale",
        "one for each of the 2 components",
    ),
    (1, {"control_image": PICTURE, "control_start": -0.1}, "control_start", "from 0"),
    (1, {"control_image": PICTURE, "control_start": 0.5, "control_end": 0.5}, "control_start", "below 0.5"),
    (1, {"control_image": PICTURE, "control_end": 1.1}, "control_end", "up to 1"),
    (1, {"control_image": PICTURE, "control_end": -1.0}, "control_end", "above 0"),
    (
        1,
        {"control_image": PICTURE, "control_preprocessor": "depth"},
        "control_preprocessor",
        "expected canny, or nothing",
    ),
    (1, {"control_image": PICTURE, "control_preprocessor": 3}, "control_preprocessor", "expected canny, or nothing"),
    (1, {"control_image": PICTURE, "enlarge": 2}, "control_image", "nothing beside `enlarge`"),
    (1, {"control_image": PICTURE, "reuse": 3}, "reuse", "not measured beside a control picture"),
]


@pytest.mark.parametrize(
    ("count", "options", "setting", "words"),
    REFUSED,
    ids=[f"{count}-{', '.join(options)}-{words}" for count, options, _, words in REFUSED],
)
def test_what_cannot_be_applied_is_refused(grown, count, options, setting, words):
    with pytest.raises(SettingError) as caught:
        draw(grown(count), **options)
    assert caught.value.setting == setting
    assert words in caught.value.sentence


def test_a_picture_that_is_none_is_refused(grown):
    with pytest.raises(Exception, match="expected a PIL image or a path"):
        draw(grown(1), control_image=3)


def test_a_grown_recipe_is_read_back(grown):
    recipe = grown(2).manifest.recipe
    values = json.loads(json.dumps({"stages": recipe.written(), "parts": list(recipe.parts)}))
    assert Recipe.read(Fields(values)) == recipe
    assert controlnets(recipe) == ("controlnet", "controlnet_2")
    assert recipe.network.role == "unet"
    assert recipe.duties["controlnet"] == "network"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"given": {"index": 1}}, "has control pictures [1]"),
        ({"network": {"index": 3}}, "weighs control picture 3"),
    ],
)
def test_indices_that_do_not_count_pictures_are_refused(grown, changes, words):
    bundle = grown(1)
    first = bundle.manifest.recipe.first
    for phase, fields in changes.items():
        parts = [
            dataclasses.replace(part, **fields) if type(part).__name__.startswith("Control") else part
            for part in getattr(first, phase)
        ]
        first = dataclasses.replace(first, **{phase: tuple(parts)})
    manifest = dataclasses.replace(bundle.manifest, recipe=Recipe((first,)))
    with pytest.raises(RecipeError) as caught:
        dataclasses.replace(bundle, manifest=manifest).check_wires()
    assert words in caught.value.sentence
