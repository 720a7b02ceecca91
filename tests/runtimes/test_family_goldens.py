"""Every family without PyTorch: what diffusers drew with a tiny random model is drawn again, call by call.

``tests/golden/make_family_goldens.py`` made the goldens, and tells what is in them. A graph answers what its module
answered, and only where it is fed what the module was fed: the recipe is the family's of today; tokens, positions,
guidance, schedule and the order of the random draws are the runtime's own. Bound: 1e-4 of the largest value.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.families import FAMILIES, Configs, family_of
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

BOUND = 1e-4
GOLDENS = {path.stem: path for path in sorted((Path(__file__).parents[1] / "golden" / "families").glob("*.zip"))}


def test_every_family_has_a_golden():
    """Where one is missing: ``python tests/golden/make_family_goldens.py NAME``."""
    families = set()
    for path in GOLDENS.values():
        with zipfile.ZipFile(path) as archive:
            families.add(json.loads(archive.read("bundle/edgediff.json"))["family"])
    assert families == {family.name for family in FAMILIES}


def _assert_close(got, expected, what):
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype), what
    bound = BOUND * np.abs(expected).max() if got.dtype.kind == "f" else 0
    assert np.abs(got - expected).max() <= bound, what


class Played:
    """Calls of graphs, answered in their order."""

    def __init__(self, arrays, index):
        self.calls = {}
        for key, array in arrays.items():
            which, *rest = key.split("/", 4)
            if which == str(index) and len(rest) > 1:
                number, role, way, name = rest
                feeds, answers = self.calls.setdefault(int(number), (role, {}, {}))[1:]
                (feeds if way == "in" else answers)[name] = array
        self.done = 0

    def __call__(self, role, feeds):
        expected, wanted, answers = self.calls[self.done]
        self.done += 1
        what = f"call {self.done} of {len(self.calls)}"
        assert (role, feeds.keys()) == (expected, wanted.keys()), what
        for name, array in feeds.items():
            _assert_close(array, wanted[name], f"{what}, `{name}` of `{role}`")
        return answers or {"sample": np.zeros((len(array), 3, 8, 8), np.float32)}


def _bundle(folder):
    """With the recipe and the scheduler that its family makes now."""
    configs = Configs(**json.loads((folder / "configs.json").read_text(encoding="utf-8")))
    bundle, family = Bundle.open(folder / "bundle"), family_of(configs.class_name)
    recipe = family.recipe(configs).only(tuple(bundle.manifest.components))
    return replace(bundle, manifest=replace(bundle.manifest, recipe=recipe, scheduler=family.scheduler(configs)))


def _play(name, folder, **changes):
    with zipfile.ZipFile(GOLDENS[name]) as archive:
        archive.extractall(folder)
    with np.load(folder / "drawn.npz") as file:
        arrays = dict(file)
    for index, asked in enumerate(json.loads(str(arrays["asked"]))):
        for option in ("image", "mask"):
            if f"{index}/{option}" in arrays:
                asked[option] = Image.fromarray(arrays[f"{index}/{option}"])
        played = Played(arrays, index)
        with Pipeline(_bundle(folder), Placement(engine=FakeEngine(played))) as pipeline:
            result = pipeline(**{**asked, **changes})
        assert played.done == len(played.calls)
        _assert_close(result.latents, arrays[f"{index}/latents"], "the final latents")


@pytest.mark.parametrize("name", GOLDENS)
def test_draws_what_diffusers_drew(name, tmp_path):
    _play(name, tmp_path)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"seed": 8}, "hidden_states"),
        ({"prompt": ["a red apple", "a fox"]}, "input_ids"),
        ({"negative_prompt": "grey"}, "input_ids"),
        ({"width": 28}, "hidden_states|img_ids"),
    ],
)
def test_what_is_asked_otherwise_is_told_apart(tmp_path, changes, differs):
    with pytest.raises(AssertionError, match=f"`{differs}` of"):
        _play("flux-dev", tmp_path, **changes)
