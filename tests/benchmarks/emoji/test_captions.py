"""What is held out stays out: no training caption gives a held-out wording, synonym or colour away."""

from __future__ import annotations

import random

import numpy as np
import pytest

from benchmarks.models.emoji import recolour
from benchmarks.models.emoji.captions import TEMPLATES, UNSEEN_TEMPLATES, Captions, check
from benchmarks.models.emoji.data import Concept, distinct, hold_out
from benchmarks.models.emoji.tokenizer import merges, write

WORDS = ("stripes", "savanna", "black horse", "quagga", "grevy", "striped animal")
ZEBRA, APPLE = hold_out(
    [Concept("zebra", WORDS, "", "animal", "z.png"), Concept("red apple", ("fruit", "orchard"), "", "food", "a.png")]
)


def test_held_out_wordings_never_appear():
    captions, dice = Captions([ZEBRA, APPLE]), random.Random(0)  # noqa: S311 - a test
    forbidden = {template.format("zebra") for template in UNSEEN_TEMPLATES}
    drawn = {captions.draw(0, dice) for _ in range(20_000)}
    assert not drawn & forbidden
    assert len(drawn) > 5_000


def test_the_check_finds_a_leak():
    with pytest.raises(ValueError, match="my favourite"):
        check((*TEMPLATES, "my favourite {} ever"))


def test_held_out_synonyms_never_appear():
    word = ZEBRA.held_out
    assert word in WORDS
    assert not APPLE.held_out
    captions, dice = Captions([ZEBRA, APPLE]), random.Random(0)  # noqa: S311 - a test
    assert not any(word in captions.draw(0, dice) for _ in range(5_000))
    assert not any(word in text for text in captions.everything())


def test_recolouring_turns_the_main_hue_and_nothing_else():
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[8:56, 8:56] = (220, 30, 30)
    picture[20:24, 20:24] = (20, 20, 20)
    hue, mine = recolour.main_hue(picture)
    assert recolour.colour_name(hue) == "red"
    blue = recolour.turn(picture, hue, mine, recolour.HUES["blue"])
    assert blue[40, 40, 2] > 200
    assert blue[40, 40, 0] < 120
    np.testing.assert_allclose(blue[21, 21], (20, 20, 20), atol=2)
    np.testing.assert_array_equal(blue[0, 0], (255, 255, 255))


def test_each_recoloured_drawing_holds_two_colours_out():
    pictures = np.full((1, 64, 64, 3), 255, np.uint8)
    pictures[0, 8:56, 8:56] = (220, 30, 30)
    chosen, drawn = recolour.choose([APPLE], pictures, seed=0)
    assert len(chosen) == len(drawn)
    assert {one.colour for one in chosen if one.held_out} == {"blue", "purple"}
    assert {one.base for one in chosen} == {"apple"}


def test_near_twins_are_dropped():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    twin = pictures[:1].copy()
    twin[0, 0, 0] ^= 8
    assert distinct(np.concatenate([pictures, twin])) == [0, 1, 2]


def test_the_tokenizer_reads_any_text(tmp_path):
    from transformers import CLIPTokenizer  # noqa: PLC0415 - slow to import, needed here alone

    write(tmp_path, merges(["red apple", "red ball"] * 5, size=600))
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    assert tokenizer.tokenize("a red apple") == ["a</w>", "red</w>", "apple</w>"]
    assert tokenizer.decode(tokenizer("zürich 東京!").input_ids, skip_special_tokens=True).strip() == "zürich 東京 !"
