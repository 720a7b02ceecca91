"""compel's syntax: embeddings as compel makes them (``tests/golden/make_compel_golden.py``), and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgediff
from edgediff_runtimes.text.syntax.compel import read

GOLDEN = Path(__file__).parents[3] / "golden" / "prompts" / "compel.npz"
PROMPTS = json.loads(np.load(GOLDEN)["prompts"].tobytes())


@pytest.fixture(scope="module")
def emoji():
    with edgediff.load("emoji") as pipeline:
        yield pipeline


@pytest.mark.parametrize("index", range(len(PROMPTS)), ids=lambda index: PROMPTS[index])
def test_embeddings_are_compels(emoji, index):
    expected = np.load(GOLDEN)[str(index)]
    [got] = emoji.encode(PROMPTS[index], syntax="compel").prompt_embeds
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()


def _phrases(prompt):
    [phrases] = read(prompt, "prompt").at(1, 1).prompts
    return [(phrase.text, pytest.approx(phrase.weight)) for phrase in phrases]


def test_weights():
    assert _phrases("a pear++ (red apple)- (x)1.5 y") == [
        ("a", 1), ("pear", 1.21), ("red apple", 0.9), ("x", 1.5), ("y", 1)
    ]  # fmt: skip
    assert _phrases("(a (b)2 c+)1.5") == [("a", 1.5), ("b", 3.0), ("c", 1.65)]
    assert _phrases("a (plain) b") == [("a plain b", 1)]
    assert _phrases("a, pear+, plum") == [("a ,", 1), ("pear", 1.1), (", plum", 1)]
    assert _phrases("well-known 3-legged - a+b") == [("well-known 3-legged - a+b", 1)]
    assert _phrases(r"\(a\) b\+ \"c\"") == [('(a) b+ "c"', 1)]


def test_lists():
    found = read('("a", "b c++").and(1, 0.5)', "prompt")
    assert (found.weights, found.blend, len(found.prompts)) == ((1.0, 0.5), False, 2)
    assert read('("a", "b").and()', "prompt").weights == (1.0, 1.0)
    assert read('("a", "b").add()', "prompt") == read('("a", "b").and()', "prompt")
    assert read('("a", "b").blend(1, 3)', "prompt").weights == (0.25, 0.75)
    assert read('("a", "b").blend(1, -0.5, no_normalize)', "prompt").weights == (1.0, -0.5)
    assert read('("a", "b").blend(1, 3)', "prompt").words == "a b"


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a (red apple", "brackets in pairs: `(` at character 3 has none"),
        ("a red)", "brackets in pairs: `)` at character 6 has none"),
        ('a "red', '`"` at character 3'),
        ('("a", "b").and(1)', "2 weights"),
        ('("a", "b").and(1, heavy)', "2 weights"),
        ('("a", "b").and(1, no_normalize)', "2 weights"),
        ('("a", "b").blend(1, 1e9)', "2 weights"),
        ('("a", "b").blend(1, -1)', "do not add up to 0"),
        ('("a (b", "c").and()', "`(` at character 5"),
        ('("a", "b").and() and more', "no `.and` as there is at character 11"),
        ("a cat.swap(dog)", "no `.swap` as there is at character 6"),
        ("a withLora(x, 0.5)", "no `withLora`, as there is at character 3"),
        ("(a)1001", "weights up to 1000"),
        ("a" + "+" * 2000, "weights up to 1000"),
        ("(" * 10_000 + "a" + ")" * 10_000, "at most 100 brackets inside each other"),
        ("a\\", "a character behind the `\\` at character 2"),
    ],
)
def test_what_cannot_be_read_is_refused(refused, prompt, said):
    assert said in refused("compel", prompt)


def test_nothing_is_left_of_a_word_that_weighs_nothing(encoder):
    """Its share of the sum is tan(π/2 (1 - 1e-5)), of about 64,000 to 1."""
    text = read("the (red)0 cat", "prompt").at(1, 1).weighted(encoder, length=12)
    without = read("the cat", "prompt").at(1, 1).weighted(encoder, length=12)
    states = np.random.default_rng(0).normal(size=(len(text.ids), 12, 5)).astype(np.float32)
    assert np.array_equal(text.ids[1], without.ids[0])
    np.testing.assert_allclose(text.states(states), states[1], atol=1e-3)
