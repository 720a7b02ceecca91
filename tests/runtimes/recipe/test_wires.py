"""A recipe that cannot run is refused when the bundle is opened, and the sentence says where."""

from __future__ import annotations

import dataclasses
import json

import pytest

from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe import Recipe, wires
from edgediff_runtimes.settings import Options

STAGE = ("stages", 0)
WINDOWS = {
    "part": "window_patches",
    **{name: name for name in ("to", "positions", "pictures", "order", "grids")},
    "patch": 14,
    "merge": 2,
    "window": 4,
    "least": 3136,
    "most": 4000,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}
SINES = {"part": "time_sinusoid", "name": "t", "to": "sines", "dim": 3}
LABEL = {"part": "choice", "choice": "class_label", "to": "y", "below": 3}
BROKEN = [
    # (what is changed, the new value, what the sentence says)
    (("given", 0, "ids"), "words", "(given) reads `ids`, which nothing writes before"),
    (("given", 0, "tokenizer"), "tokenizer_2", "(given) reads the tokenizer `tokenizer_2`"),
    (("given", 1, "role"), "text_encoder_2", "(given) computes `text_encoder_2`: expected that component"),
    (("given", 1, "takes"), {"pooled": "text"}, "(given) takes `pooled` of `text_encoder`: expected one of"),
    (("network", 0, "feeds"), {"sample": "x", "timestep": "t"}, "`encoder_hidden_states` is not fed"),
    (("network", 0, "feeds", "guidance"), "t", "`guidance` is no input of it"),
    (("network", 0, "tiled"), True, "(network) computes `unet` in tiles: expected one value that it is fed"),
    (("network", 0, "takes"), {"out_sample": "answer"}, "(network) writes no `prediction`"),
    (("tasks", "text-to-image"), [], "(text-to-image) writes no `noise`"),
    (("tasks",), {}, "(tasks) has none"),
    (("result", 0, "name"), "y", "(result) reads `y`"),
    (("result", 0, "over"), 0.0, "(result) divides `x` by 0: expected a number from 1e-6 to 1e6"),
    (("result",), [], "(result) ends in nothing that a caller can take"),
    (("guidance", "zeros"), ["pooled"], "(guidance) names `pooled`, which nothing writes"),
    (("guidance", "scale"), "strength", "(guidance) reads the option `strength`: expected one of guidance"),
    (("guidance", "picture_scale"), "crop", "(guidance) reads the option `crop`: expected one of guidance"),
    (("guidance", "pictures"), ["moon"], "(guidance) names `moon`, which `text-to-image` does not write"),
    (("schedule",), {"until": "steps"}, "(schedule) reads the option `steps`"),
    (("schedule",), {"since": "refiner_start"}, "(schedule) may be left out: expected a stage without `since`"),
    (("given", 2), {"part": "sizes", "to": "y", "fields": [1.0, "prompts"]}, "(given) reads the option `prompts`"),
    (
        ("given", 2),
        {"part": "sinusoid", "choice": "guidance", "to": "sines", "dim": 3},
        "(given) makes `sines` with a `dim` of 3",
    ),
    (("network", 1), {**SINES, "dim": 1, "shift": -1}, "(network) makes `sines` with a `dim` of 1 and a `scale` of 1"),
    (("network", 1), {**SINES, "dim": 1}, "(network) makes `sines` with a `dim` of 1 and a `shift` of 0"),
    (("network", 1), {**SINES, "shift": 1}, "(network) makes `sines` with a `dim` of 3 and a `shift` of 1: expected a"),
    (("network", 1), {**SINES, "dim": 99, "shift": 2}, "(network) makes `sines` with a `dim` of 99 and a `shift` of 2"),
    (("network", 1), {**SINES, "scale": 0}, "(network) makes `sines` with a `dim` of 3 and a `scale` of 0: expected"),
    (("network",), [{"part": "affine", "name": "x", "to": "prediction"}], "(network) computes no graph"),
    (("network", 1), {"part": "pictures", "name": "x"}, "(result) ends in nothing that a caller can take"),
    (("tasks", "given"), [{"part": "noise"}], "(tasks) has one called `given`"),
    (("tasks", "tiny"), [{"part": "noise"}], "(tasks) has one called `tiny`"),
    (("tiny",), [{"part": "affine", "name": "x", "to": "y"}], "(tiny) ends in nothing that a caller can take"),
    (("tiny",), [{"part": "pictures", "name": "pixels"}], "(tiny) reads `pixels`, which nothing writes before"),
    (
        ("tiny",),
        [{"part": "graph", "role": "tiny", "feeds": {}, "takes": {"sample": "y"}}, {"part": "pictures", "name": "y"}],
        "(tiny) computes `tiny`: expected that component",
    ),
]


@pytest.fixture
def write(bundle_dir):
    """Writes the bundle's manifest with one value of its stage changed."""

    def write(place, value):
        path = bundle_dir / "edgediff.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        holder = values["stages"][0]
        for key in place[:-1]:
            holder = holder[key]
        if isinstance(holder, list) and place[-1] == len(holder):
            holder.append(value)
        else:
            holder[place[-1]] = value
        if place[0] == "tasks":
            values["tasks"] = list(values["stages"][0]["tasks"])
        path.write_text(json.dumps(values), encoding="utf-8")
        return bundle_dir

    return write


@pytest.mark.parametrize(("place", "value", "sentence"), BROKEN, ids=lambda part: str(part)[:40])
def test_a_broken_wire_is_named(write, place, value, sentence):
    with pytest.raises(RecipeError) as caught:
        Bundle.open(write(place, value))
    assert "the recipe's stage `base`" in caught.value.sentence
    assert sentence in caught.value.sentence


def test_a_recipe_is_read_back(manifest):
    recipe = manifest.recipe
    values = json.loads(json.dumps({"stages": recipe.written(), "parts": list(recipe.parts)}))
    assert Recipe.read(Fields(values)) == recipe


def test_without_an_encoder_a_task_goes(manifest):
    assert manifest.recipe.only(["text_encoder", "unet", "vae_decoder"]).tasks == ("text-to-image",)
    assert manifest.recipe.only(list(manifest.components)) == manifest.recipe


def test_graphs_say_which_is_which(manifest):
    recipe = manifest.recipe
    assert [(use.role, use.phase) for use in recipe.graphs()] == [
        ("text_encoder", "given"),
        ("vae_encoder", "image-to-image"),
        ("vae_encoder", "inpaint"),
        ("vae_encoder", "inpaint-from-noise"),
        ("unet", "network"),
        ("vae_decoder", "result"),
    ]
    assert (recipe.network.role, recipe.network.time, recipe.network.takes) == ("unet", "timestep", ("out_sample",))
    assert recipe.drawing == ("text_encoder", "unet", "vae_decoder")
    assert recipe.encoders == {"vae_encoder": "sample"}
    assert recipe.duties == {
        "text_encoder": "condition",
        "vae_encoder": "picture",
        "unet": "network",
        "vae_decoder": "picture",
    }
    assert recipe.tokenizers == ("tokenizer",)


def test_the_kinds_of_parts_stand_in_the_manifest(manifest):
    values = json.loads(manifest.to_json())
    used = {part["part"] for part in _parts(values["stages"][0])}
    assert values["parts"] == sorted(used)
    assert Manifest.from_json(json.dumps(values)) == dataclasses.replace(manifest)


def _parts(stage):
    for parts in (stage["given"], *stage["tasks"].values(), stage["network"], stage["result"]):
        yield from parts


SECOND = [
    # (what the second stage has, what the sentence says)
    ({}, "(name) stands there twice"),
    ({"name": "b", "space": {"channels": 4, "factor": 8, "multiple": 24}}, "(space) has sizes in multiples of 24"),
    ({"name": "b", "space": {"channels": 4, "factor": 8, "largest": 64}}, "(space) has sizes up to 64"),
]


@pytest.mark.parametrize(("changes", "sentence"), SECOND, ids=lambda part: str(part)[:40])
def test_a_second_stage_that_does_not_suit_the_first_is_named(bundle_dir, changes, sentence):
    path = bundle_dir / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["stages"].append({**values["stages"][0], **changes})
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Bundle.open(bundle_dir)
    assert sentence in caught.value.sentence


def test_options_of_recipes_are_options_of_calls():
    assert {*wires.NUMBERS, *wires.LABELS, *wires.PICTURES} <= Options.__annotations__.keys() | {*wires.SEVERAL}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"window": 1024}, "(given) has windows of 28,672 pixels a side: expected at most 16,384"),
        ({"patch": 1, "merge": 1, "most": 1 << 28}, "(given) has pictures of 268,435,456 tokens: expected a whole"),
        ({"most": 3000}, "(given) has pictures of 3,136 pixels at least: expected up to 3,000"),
        ({"std": [0.5, 0.0, 0.5]}, "(given) has other colours in `to` than three"),
        ({"mean": [0.5]}, "(given) has other colours in `to` than three"),
    ],
)
def test_pictures_are_cut_into_windows_that_memory_holds(write, change, sentence):
    write(("tasks",), {"edit": [{"part": "picture", "choice": "image", "to": "pixels"}, {"part": "noise"}]})
    with pytest.raises(RecipeError) as caught:
        Bundle.open(write(("given", 2), {**WINDOWS, **change}))
    assert sentence in caught.value.sentence


def test_pictures_that_are_looked_at_are_those_to_draw_from(write):
    write(("tasks",), {"edit": [{"part": "picture", "choice": "denoise", "to": "pixels"}, {"part": "noise"}]})
    with pytest.raises(RecipeError, match="looks at the caller's pictures: expected it in `given`, and one in every"):
        Bundle.open(write(("given", 2), WINDOWS))


@pytest.mark.parametrize("mark", ["", "<moon>"])
def test_texts_about_pictures_have_a_mark_for_their_tokens(write, mark):
    write(("tasks",), {"edit": [{"part": "picture", "choice": "image", "to": "pixels"}, {"part": "noise"}]})
    write(("given", 2), WINDOWS)
    tokens = {"part": "tokens", "tokenizer": "tokenizer", "ids": "y", "grids": "grids", "picture_mark": mark}
    with pytest.raises(RecipeError, match=r"\(given\) has nothing for a picture's tokens: expected `picture_mark`"):
        Bundle.open(write(("given", 3), {**tokens, "picture": "<sun>"}))


def test_a_mark_is_short(write):
    write(("tasks",), {"edit": [{"part": "picture", "choice": "image", "to": "pixels"}, {"part": "noise"}]})
    write(("given", 2), WINDOWS)
    tokens = {"part": "tokens", "tokenizer": "tokenizer", "ids": "y", "grids": "grids", "picture_mark": "m" * 257}
    with pytest.raises(RecipeError, match=r"\(given\) has a `picture_mark` of 257: expected at most 256 characters"):
        Bundle.open(write(("given", 3), {**tokens, "picture": "m" * 257}))
