"""Recipes whose wires are whole: what a result may read, and arrays that do not fit."""

from __future__ import annotations

import json

import pytest

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import RecipeError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement

PATCHED = {"part": "patches", "name": "x", "to": "prediction", "patch": 2}
JOINED = {"part": "join", "names": ["noise", "noise"], "to": "noise", "axis": 1}


@pytest.fixture
def changed(bundle_dir):
    """Opens the bundle with its stage changed in place."""

    def changed(change):
        path = bundle_dir / "edgediff.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        change(values["stages"][0])
        path.write_text(json.dumps(values), encoding="utf-8")
        return Pipeline(Bundle.open(bundle_dir), Placement())

    return changed


def test_a_result_may_read_what_was_given(changed):
    affine = {"part": "affine", "name": "text", "to": "z"}
    with changed(lambda stage: stage["result"].insert(0, affine)) as pipeline:
        assert len(pipeline("a red apple", steps=1, seed=0, images=2).images) == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda stage: stage["guidance"].update(norm=9), "(guidance) cannot compute"),
        (lambda stage: stage["network"].append(PATCHED), "(network) predicts [2, 16, 16]: expected [2, 4, 8, 8]"),
        (lambda stage: stage["tasks"]["text-to-image"].append(JOINED), "makes `noise` shaped [8, 8, 8]"),
    ],
)
def test_arrays_that_do_not_fit_are_told_of_the_recipe(changed, change, sentence):
    with changed(change) as pipeline, pytest.raises(RecipeError) as caught:
        pipeline("a red apple", steps=1, seed=0, guidance=3)
    assert sentence in caught.value.sentence
