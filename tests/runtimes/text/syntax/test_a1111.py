"""The web UI's syntax: as its own parser reads it (``tests/golden/make_a1111_golden.py``), and what is refused."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.text.syntax import SYNTAXES
from edgediff_runtimes.text.syntax.a1111 import read
from edgediff_runtimes.text.syntax.chunks import Chunks

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "prompts" / "a1111.json").read_text(encoding="utf-8"))


def _sections(prompt, step=1, steps=1):
    """Texts and weights, BREAK by BREAK."""
    sections = read(prompt, "prompt").at(step, steps).sections
    return [[(phrase.text, phrase.weight) for phrase in section] for section in sections]


def _theirs(read):
    """The same of a golden: what is empty says nothing."""
    sections = [[]]
    for text, weight in read:
        if (text, weight) == ("BREAK", -1):
            sections.append([])
        elif text:
            sections[-1].append((text, weight))
    return sections


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["prompt"])
def test_prompts_are_read_as_the_web_ui_reads_them(case):
    steps = GOLDEN["steps"]
    for step in range(1, steps + 1):
        theirs = next(entry["read"] for entry in case["schedule"] if step <= entry["until"])
        ours = _sections(case["prompt"], step, steps)
        assert [[pair for pair in section if pair[0]] for section in ours] == _theirs(theirs)


@pytest.mark.parametrize(
    "text", ["a red apple", "", "colon: bar | semi; comma, 1.5", "ümläut 猫 🍎", "<owl> a<b>c", "And and android"]
)
def test_a_text_without_brackets_is_itself(text):
    assert _sections(text) == [[(text, 1.0)] if text else []]


def test_every_sign_behind_a_backslash_is_text():
    signs = "()[]:|\\<x:y>"
    escaped = "".join(f"\\{sign}" for sign in signs)
    assert _sections(escaped) == [[(signs, 1.0)]]
    assert _sections(rf"(a\:b:2) {escaped}") == [[("a:b", 2.0), (f" {signs}", 1.0)]]


def test_weights_multiply_from_the_inside():
    assert _sections("((a))") == [[("a", 1.1 * 1.1)]]
    assert _sections("[[a]]") == [[("a", 1 / 1.1 * (1 / 1.1))]]
    assert _sections("((a:3):0.5)") == [[("a", 1.5)]]
    assert _sections("(a:-2) (b:.5) (c:+1.) (d: 2 )") == [
        [("a", -2.0), (" ", 1.0), ("b", 0.5), (" c ", 1.0), ("d", 2.0)]
    ]


def test_random_trees_are_read_as_they_were_written():
    """Weights of a tree that is written out and read again, for a hundred trees."""
    dice = np.random.default_rng(0)

    def tree(depth):
        if depth == 0 or dice.random() < 0.3:
            return dice.choice(["red", "green tree", "猫"])
        return dice.choice(["(", "[", "w"]), [tree(depth - 1) for _ in range(dice.integers(1, 4))]

    def written(node):
        if isinstance(node, str):
            return node
        inside = " ".join(map(written, node[1]))
        return {"(": f"({inside})", "[": f"[{inside}]", "w": f"({inside}:0.7)"}[node[0]]

    def weights(node, factors=()):
        if isinstance(node, str):
            product = 1.0
            for factor in reversed(factors):
                product *= factor
            return [(letter, product) for letter in node]
        own = {"(": 1.1, "[": 1 / 1.1, "w": 0.7}[node[0]]
        return [pair for child in node[1] for pair in weights(child, (*factors, own))]

    for _ in range(100):
        node = tree(5)
        got = [(letter, weight) for text, weight in _sections(written(node))[0] for letter in text]
        assert [pair for pair in got if pair[0] != " "] == [pair for pair in weights(node) if pair[0] != " "]


def test_texts_change_at_the_step_that_is_named():
    def texts(prompt, steps=10):
        found = ["".join(text for text, _ in _sections(prompt, step, steps)[0]) for step in range(1, steps + 1)]
        return [(text, len([*run])) for text, run in groupby(found)]

    assert texts("[a:b:0.4]") == [("a", 4), ("b", 6)]
    assert texts("[a:b:4]") == [("a", 4), ("b", 6)]
    assert texts("[a::8]") == [("a", 8), ("", 2)]
    assert texts("[:b:0.4]") == texts("[b:0.4]") == [("", 4), ("b", 6)]
    assert texts("[a:b:1]") == [("a", 1), ("b", 9)]
    assert texts("[a:b:1.0]") == [("a", 10)]
    assert texts("[a:b:0]") == texts("[a:b:0.0]") == [("b", 10)]
    assert texts("[a|b]", 4) == [("a", 1), ("b", 1), ("a", 1), ("b", 1)]
    assert texts("[a|]", 3) == [("a", 1), ("", 1), ("a", 1)]
    assert texts("[a:[b:c:3]:1]", 4) == [("a", 1), ("b", 2), ("c", 1)]


def test_break_is_one_within_brackets_too():
    assert _sections("(a BREAK b:2) BREAKING") == [[("a", 2.0)], [("b", 2.0), (" BREAKING", 1.0)]]


def test_all_words():
    assert read(r"a [red:(green:1.2):3] \(x\) [one|two]", "prompt").words.split() == (
        ["a", "(", "x", ")", "red", "green", "one", "two"]
    )


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a (red apple", "brackets in pairs: `(` at character 3 has none"),
        ("a red) apple", "brackets in pairs: `)` at character 6 has none"),
        ("a [red) apple", "brackets in pairs: `)` at character 7 has none"),
        ("a (red]", "`]` at character 7"),
        ("(a:heavy)", "a weight such as 1.2 behind the last colon of the bracket at character 1"),
        ("(a:inf)", "a weight such as 1.2"),
        ("(a:nan)", "a weight such as 1.2"),
        ("(a:1e3)", "a weight such as 1.2"),
        ("(a:1.2.3)", "a weight such as 1.2"),
        ("(a:(b:2))", "a weight such as 1.2"),
        ("(a:)", "a weight such as 1.2"),
        ("(a:1001)", "weights from -1000 to 1000"),
        ("(((a:100):100):1)", "weights from -1000 to 1000"),
        ("[a:b]", "`[from:to:when]`"),
        ("[a:b:c:3]", "`[from:to:when]`"),
        ("[a|b:3]", "`[one|other]`, in the bracket at character 1"),
        ("[a:b:-3]", "`[from:to:when]`"),
        ("[a:b:1.5]", "a share of them that has a decimal point, from 0.0 to 1.0"),
        ("[a:b:.]", "`[from:to:when]`"),
        ("[a:b:(3)]", "`[from:to:when]`"),
        ("a\\", "a character behind the `\\` at character 2"),
        ("a cat AND a dog", "no AND, which is not built, as there is at character 7"),
        ("a <lora:style:0.8> cat", "no `<lora:...>`, as there is at character 3"),
        ("<hypernet:x:1>", "no `<hypernet:...>`"),
        ("(" * 10_000 + "a" + ")" * 10_000, "at most 100 brackets inside each other"),
        ("[" * 10_000, "at most 100 brackets inside each other"),
    ],
)
def test_what_cannot_be_read_is_refused(refused, prompt, said):
    assert said in refused("a1111", prompt)


def test_a_refusal_names_the_way_out(refused):
    assert "hint: a LoRA is given beside the prompt, with `loras`" in refused("a1111", "<lora:a:1>")
    assert r"hint: `\(` is one of the text" in refused("a1111", "(", "negative_prompt")
    assert r"hint: `\:` is a colon of the text" in refused("a1111", "(a:b)")


def test_a_hundred_brackets_are_read():
    assert _sections("[" * 100 + "a" + "]" * 100) == [[("a", pytest.approx(1.1**-100))]]


def test_long_prompts_are_read():
    assert len(_sections("(a:1.2)[b] \\( " * 20_000)[0]) == 60_000


def _chunks(encoder, prompt, length=12):
    """Ids without marks and padding, and their weights, chunk by chunk."""
    found = read(prompt, "prompt").at(1, 1).weighted(encoder, length=length)
    start, end = encoder.rows([[]], length=2)[0]
    assert (found.rows[:, 0] == start).all()
    rows = []
    for ids, weights in zip(found.rows.tolist(), found.weights.tolist(), strict=True):
        stop = ids.index(end)
        assert weights[0] == 1
        assert set(weights[stop:]) == {1.0}
        rows.append(list(zip(ids[1:stop], weights[1:stop], strict=True)))
    return rows


def _ids(encoder, text):
    return [number for number, _ in encoder.split(text)]


def test_a_short_text_is_one_row_as_without_a_syntax(encoder):
    found = read("a red apple", "prompt").at(1, 1).weighted(encoder, length=12)
    assert isinstance(found, Chunks)
    assert found.rows.tolist() == encoder.encode(["a red apple"]).ids.tolist()
    assert (found.weights == 1).all()


def test_tokens_have_the_weights_of_their_words(encoder):
    [chunk] = _chunks(encoder, "a (red:1.5) [apple]")
    expected = [(id_, 1.0) for id_ in _ids(encoder, "a")] + [(id_, 1.5) for id_ in _ids(encoder, "red")]
    expected += [(id_, pytest.approx(1 / 1.1)) for id_ in _ids(encoder, "apple")]
    assert chunk == expected


def test_a_text_that_does_not_fit_goes_on_in_another_chunk(encoder):
    words = "the red cat the green tree the dog the garden the table the apple"
    chunks = _chunks(encoder, words)
    assert [id_ for chunk in chunks for id_, _ in chunk] == _ids(encoder, words)
    assert len(chunks) > 1
    assert all(len(chunk) == 10 for chunk in chunks[:-1])


def test_a_chunk_ends_behind_a_near_comma(encoder):
    comma = _ids(encoder, ",")
    words = "the red cat the, green tree the dog the garden the table"
    first, second, *_ = _chunks(encoder, words)
    assert [id_ for id_, _ in first] == _ids(encoder, "the red cat the,")
    assert first[-1][0] == comma[0]
    assert second[0][0] == _ids(encoder, "green")[0]


def test_a_comma_that_is_far_is_no_end(encoder):
    """Twenty tokens are near, as the web UI's default."""
    for between, near in ((19, True), (20, False)):
        words = "the, " + "a " * 40
        first, *_ = _chunks(encoder, words, length=between + 4)
        assert (len(first) == 2) == near
        assert len(first) == (2 if near else between + 2)


def test_break_ends_a_chunk(encoder):
    assert [len(chunk) for chunk in _chunks(encoder, "the BREAK red cat")] == [1, 2]
    assert [len(chunk) for chunk in _chunks(encoder, "BREAK the")] == [0, 1]
    assert [len(chunk) for chunk in _chunks(encoder, "the BREAK")] == [1]
    assert [len(chunk) for chunk in _chunks(encoder, "")] == [0]


def test_states_are_weighed_and_their_mean_is_restored(encoder):
    """By another way: the formula of the web UI's documentation, token by token in float64."""
    text = read("the (red cat:1.7) BREAK [tree] (dog:0)", "prompt").at(1, 1).weighted(encoder, length=12)
    states = np.random.default_rng(0).normal(0.3, 1, (2, 12, 5)).astype(np.float32)
    got = text.states(states)
    assert got.shape == (24, 5)
    assert got.dtype == np.float32
    for chunk in range(2):
        weighed = [states[chunk, token].astype(np.float64) * text.weights[chunk, token] for token in range(12)]
        factor = states[chunk].astype(np.float64).sum() / np.sum(weighed)
        np.testing.assert_allclose(got[12 * chunk : 12 * (chunk + 1)], np.array(weighed) * factor, rtol=1e-5, atol=1e-6)


def test_weights_of_one_change_no_bit(encoder):
    text = read("the (red:1.0) cat", "prompt").at(1, 1).weighted(encoder, length=12)
    states = np.random.default_rng(0).normal(size=(1, 12, 5)).astype(np.float32)
    assert np.array_equal(text.states(states), states[0])


def test_a_mean_of_zero_stays(encoder):
    text = read("(the:2)", "prompt").at(1, 1).weighted(encoder, length=12)
    assert np.array_equal(text.states(np.zeros((1, 12, 5), np.float32)), np.zeros((12, 5), np.float32))


def test_empty_chunks_are_those_of_no_text(encoder):
    text = read("the", "prompt").at(1, 1).weighted(encoder, length=12).padded(3)
    empty = read("", "prompt").at(1, 1).weighted(encoder, length=12)
    assert text.chunks == 3
    assert np.array_equal(text.ids[1:], np.concatenate([empty.ids] * 2))
    assert (text.weights[1:] == 1).all()


def test_a_row_without_room_is_refused(encoder):
    with pytest.raises(ValueError, match="no room"):
        read("the", "prompt").at(1, 1).weighted(encoder, length=2)


def test_every_syntax_is_in_the_table():
    folder = Path(SYNTAXES["a1111"].__code__.co_filename).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "reading", "weighted", "chunks", "mixed"}
    assert files == {*SYNTAXES}
