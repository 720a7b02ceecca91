"""Prompts to tokens: templates, padding, dropped heads, and the places that are kept."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.parts import run_part
from edgediff_runtimes.recipe.declarations import Pick, Tokens
from edgediff_runtimes.text import PromptTruncationWarning, open_tokenizer

CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def tokenizers(golden):
    kinds = {"t5": "unigram", "qwen": "byte-level-bpe"}
    return {name: open_tokenizer(golden / "text" / name, kind=kind, max_tokens=30) for name, kind in kinds.items()}


@pytest.fixture
def run(context, tokenizers):
    """The values that a part writes for prompts and negative prompts."""

    def of(part, prompts, negative=()):
        made = context(tokenizers=tokenizers, prompts=tuple(prompts), negative_prompts=tuple(negative))
        run_part(part, made)
        assert all(value.rows == "texts" for value in made.values.values())
        return {name: value.array for name, value in made.values.items()}

    return of


def test_a_template_stands_around_a_prompt_and_its_marks_are_single_tokens(run, tokenizers):
    ids = run(Tokens("qwen", "ids", template=CHAT), ["a {red} {} apple"], [""])["ids"]
    qwen = tokenizers["qwen"]
    framed = [CHAT.replace("{}", "a {red} {} apple", 1), CHAT.replace("{}", "")]
    assert ids.tolist() == qwen.encode(framed).ids.tolist()
    start, end = qwen.encode(["<|im_start|>", "<|im_end|>"]).ids[:, 0]
    assert [(row == start).sum() for row in ids] == [2, 2]
    assert [(row == end).sum() for row in ids] == [1, 1]


def test_a_negative_template(run, tokenizers):
    ids = run(Tokens("t5", "ids", template="x {}", negative_template="{} y", clean="lower"), ["  A "], [" B"])["ids"]
    assert ids.tolist() == tokenizers["t5"].encode(["x a", "b y"]).ids.tolist()


def test_rows_as_long_as_the_longest(run):
    part = Tokens("t5", "ids", mask="mask", length=20, padding="longest")
    got = run(part, ["a red apple on the table"], ["a"])
    assert got["ids"].shape == got["mask"].shape == (2, got["mask"].sum(axis=1).max())
    assert 4 < got["ids"].shape[1] < 20


def test_rows_of_a_multiple_of_tokens(run):
    part = Tokens("t5", "ids", mask="mask", length=20, padding="longest", multiple=16)
    got = run(part, ["a red apple", "a"])
    assert got["ids"].shape == (2, 16)
    assert (got["ids"][got["mask"] == 0] == 0).all()


def test_positions_count_from_the_first_token_behind_padding(run):
    got = run(Tokens("t5", "ids", mask="mask", positions="places", length=8, side="left"), ["a", "a red apple is red"])
    counts = got["mask"].sum(axis=1).tolist()
    assert counts[0] < counts[1] <= 8
    assert got["places"].tolist() == [[0] * (8 - count) + list(range(count)) for count in counts]


def test_a_dropped_beginning_is_not_kept(run, context):
    got = run(
        Tokens("qwen", "ids", mask="mask", kept="kept", dropped=5, padding="longest", template=CHAT), ["a", "a b"]
    )
    assert got["kept"].tolist() == [list(range(5, got["ids"].shape[1]))] * 2
    made = context(values={**got, "states": np.repeat(got["ids"][:, :, None], 3, axis=2).astype(np.float32)})
    for name in ("states", "mask"):
        run_part(Pick(name, "kept", f"{name}_kept"), made)
    assert made.array("mask_kept").tolist() == got["mask"][:, 5:].tolist()
    assert made.array("states_kept").tolist() == np.repeat(got["ids"][:, 5:, None], 3, axis=2).tolist()


def test_of_rows_with_a_head_the_first_token_and_the_last_ones_are_kept(run, tokenizers):
    """As SANA's pipeline: n tokens of the head, n + 8 - 2 of a row, of which [0] and the last 7 go on."""
    head = "Given a user prompt, enhance it: "
    part = Tokens(
        "t5", "ids", mask="mask", kept="kept", length=8, head=head, template=head + "{}", negative_template="{}"
    )
    with pytest.warns(PromptTruncationWarning, match="7 fit"):
        got = run(part, ["a fox"], ["a very dull picture of a very dull thing"])
    row = tokenizers["t5"].count(head) + 8 - 2
    assert got["ids"].shape == (2, row)
    assert got["kept"].tolist() == [[0, *range(row - 7, row)], list(range(8))]
    assert got["mask"][1].tolist() == [1] * 8 + [0] * (row - 8)
    alone = tokenizers["t5"].encode([head + "a fox"], lengths=[row]).ids
    assert got["ids"][0].tolist() == alone[0].tolist()
