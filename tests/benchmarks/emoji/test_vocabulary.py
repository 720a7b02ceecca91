"""The words that the shipped models say they know are those of their training captions."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.models.emoji.captions import TEMPLATES
from benchmarks.models.emoji.data import Concept
from benchmarks.models.emoji.vocabulary import vocabulary
from edgediff.api import open_bundle
from edgediff_runtimes.doubts import words_of

PIPELINES = Path(__file__).parents[3] / "benchmarks" / "models" / "emoji" / "pipelines"


@pytest.mark.parametrize("name", ["emoji", "emoji-lcm"])
def test_the_bundle_has_the_pipeline_s_words(name):
    bundle = open_bundle(name)
    shipped = bundle.locate(bundle.manifest.provenance.vocabulary.path).read_text("utf-8")
    assert shipped == (PIPELINES / name / "vocabulary.txt").read_text("utf-8")
    assert {"apple", "red", "sailboat", "purple", "sticker"} <= set(shipped.split())
    assert not {"xyzzy", "dogs", "weep"} & set(shipped.split())


def test_words_are_taken_from_what_training_shows():
    concepts = [Concept("red apple", ("fruit", "school lunch"), "fruit", "food-fruit", "x.png")]
    words = vocabulary(concepts)
    assert words == sorted(set(words))
    assert {"red", "apple", "school", "lunch", "blue", "emoji"} <= set(words)
    assert words_of(" ".join(TEMPLATES)) <= set(words)
    assert "fruit" not in words  # held out
