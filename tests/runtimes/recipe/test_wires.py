"""A recipe that cannot run is refused when the bundle is opened, and the sentence says where."""

from __future__ import annotations

import dataclasses
import json

import pytest

from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe import Recipe

STAGE = ("stages", 0)
BROKEN = [
    # (what is changed, the new value, what the sentence says)
    (("given", 0, "ids"), "words", "(given) reads `ids`, which nothing writes before"),
    (("given", 0, "tokenizer"), "tokenizer_2", "(given) reads the tokenizer `tokenizer_2`"),
    (("given", 1, "role"), "text_encoder_2", "(given) computes `text_encoder_2`: expected that component"),
    (("given", 1, "takes"), {"pooled": "text"}, "(given) takes `pooled` of `text_encoder`: expected one of"),
    (("network", 0, "feeds"), {"sample": "x", "timestep": "t"}, "`encoder_hidden_states` is not fed"),
    (("network", 0, "feeds", "guidance"), "t", "`guidance` is no input of it"),
    (("network", 0, "takes"), {"out_sample": "answer"}, "(network) writes no `prediction`"),
    (("tasks", "text-to-image"), [], "(text-to-image) writes no `noise`"),
    (("tasks",), {}, "(tasks) has none"),
    (("result", 0, "name"), "y", "(result) reads `y`"),
    (("result", 0, "over"), 0.0, "(result) divides `x` by 0: expected a number from 1e-6 to 1e6"),
    (("result",), [], "(result) ends in nothing that a caller can take"),
    (("guidance", "zeros"), ["pooled"], "(guidance) names `pooled`, which nothing writes"),
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
