"""T5's tokenizer: ids equal transformers', in all forms of its files; what is odd is refused in a sentence."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from edgediff_runtimes.errors import BundleError, ComponentFileError
from edgediff_runtimes.text.charsmap import check_charsmap
from edgediff_runtimes.text.sentencepiece import read_pieces


def test_ids_and_masks_from_sentencepiece_are_those_of_transformers(golden, encode, expected, check):
    check(encode(golden / "text" / "t5", "unigram", expected[0]), "t5")


def test_a_sentencepiece_file_that_falls_back_to_bytes_is_read_as_transformers_reads_it(
    copied, encode, expected, check
):
    """As mT5's: the setting is field 35 of message 2, and messages of one number are one message."""
    folder = copied("t5")
    with (folder / "spiece.model").open("ab") as file:
        file.write(bytes([2 << 3 | 2, 3, 35 << 3 & 127 | 128, 35 >> 4, 1]))
    assert read_pieces(folder, "spiece.model").byte_fallback
    check(encode(folder, "unigram", expected[0]), "t5")


@pytest.mark.parametrize("form", ["4.20", "4.48", "5.23"])
def test_ids_from_one_file_are_the_same(tmp_path, encode, expected, check, t5_json, form):
    (tmp_path / "tokenizer.json").write_text(json.dumps(t5_json(form)))
    check(encode(tmp_path, "unigram", expected[0]), "t5")


def test_an_end_mark_stays_where_a_prompt_is_cut_off(golden, encode):
    ids = encode(golden / "text" / "t5", "unigram", ["a red apple " * 9, "a"], max_tokens=6).ids
    assert ids[:, -1].tolist() == [1, 0]
    assert ids[1].tolist()[1:] == [1, 0, 0, 0, 0]


def test_padding_on_the_left(golden, encode):
    right, left = (encode(golden / "text" / "t5", "unigram", ["a red apple"], side=side) for side in ("right", "left"))
    count = int(right.mask.sum())
    assert left.ids[0, -count:].tolist() == right.ids[0, :count].tolist()
    assert left.mask[0].tolist() == right.mask[0, ::-1].tolist()
    assert (left.ids[0, :-count] == 0).all()


BOMB = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}] * 9}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("normalizer",), BOMB, "`normalizer` is"),
        (("normalizer",), {"type": "Precompiled", "precompiled_charsmap": "%"}, "no base64"),
        (("normalizer",), {"type": "Precompiled", "precompiled_charsmap": ""}, "table of characters has 0 bytes"),
        (("normalizer", "precompiled_charsmap"), base64.b64encode(b"\0\1\0\0" + b"\xff" * 300).decode(), "characters"),
        (("pre_tokenizer",), None, "`pre_tokenizer` is None"),
        (("pre_tokenizer", "pretokenizers", 1, "prepend_scheme"), "never", "`pre_tokenizer` is"),
        (("model", "type"), "BPE", "`model.type` is 'BPE': expected T5's, 'Unigram'"),
        (("model", "byte_fallback"), True, "`model.byte_fallback` is True"),
        (("model", "unk_id"), 10**9, "`model.unk_id` is 1000000000"),
        (("model", "unk_id"), None, "`model.unk_id` is None"),
        (("model", "vocab"), {"a": 1}, "`model.vocab` is"),
        (("model", "vocab", 5), ["a", "b"], "a piece is ['a', 'b']"),
        (("model", "vocab", 5), ["a", 1e300], "a piece is ['a', 1e+300]"),
        (("model", "vocab", 5), ["", 0.0], "a piece is ['', 0.0]"),
        (("added_tokens", 0, "id"), -1, "id of the token '<pad>' is -1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_not_t5s_is_refused_in_a_sentence(tmp_path, encode, t5_json, path, value, said):
    values = whole = json.loads(json.dumps(t5_json("5.23")))
    for key in path[:-1]:
        values = values[key]
    values[path[-1]] = value
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole))
    with pytest.raises(ComponentFileError, match="holds no readable tokenizer") as caught:
        encode(tmp_path, "unigram", ["a"])
    assert said in caught.value.sentence
    assert len(caught.value.sentence) < 600


@pytest.mark.parametrize("role", ["eos_token", "pad_token", "unk_token"])
def test_a_mark_outside_of_the_vocabulary(copied, encode, role):
    folder = copied("t5")
    (folder / "special_tokens_map.json").write_text(json.dumps({role: "<nope>"}))
    with pytest.raises(BundleError, match="no token `<nope>`"):
        encode(folder, "unigram", ["a"])


@pytest.mark.parametrize("count", [-1, 10**6, "7", 1.5])
def test_an_odd_number_of_sentinels(copied, encode, count):
    folder = copied("t5")
    (folder / "tokenizer_config.json").write_text(json.dumps({"extra_ids": count}))
    with pytest.raises(ComponentFileError, match="`extra_ids` is"):
        encode(folder, "unigram", ["a"])


def test_any_damage_to_the_table_of_characters_is_seen_or_does_no_harm(golden):
    """The library that reads it ends the interpreter where a node or a leaf leads outside."""
    from tokenizers import normalizers  # noqa: PLC0415 - what is protected from

    table = read_pieces(golden / "text" / "t5", "spiece.model").charsmap
    check_charsmap(table)
    random = np.random.default_rng(0)
    text = "".join(map(chr, [*range(1, 0x600), *range(0x1E00, 0x3300), *range(0xF900, 0xFFF0)]))
    seen = 0
    for _ in range(300):
        harmed = bytearray(table)
        for place in random.integers(0, len(table), random.integers(1, 400)):
            harmed[place] = random.integers(0, 256)
        harmed = harmed[: random.integers(0, len(table))] if random.random() < 0.1 else harmed
        try:
            check_charsmap(bytes(harmed))
        except ValueError:
            seen += 1
        else:
            normalizers.Precompiled(bytes(harmed)).normalize_str(text)
    assert seen > 100


def test_any_damage_to_a_sentencepiece_file_is_a_sentence(copied, encode):
    folder = copied("t5")
    path = folder / "spiece.model"
    data = path.read_bytes()
    random = np.random.default_rng(1)
    for _ in range(60):
        harmed = bytearray(data)
        for place in random.integers(0, 12_000, random.integers(1, 5)):
            harmed[place] = random.integers(0, 256)
        path.write_bytes(harmed[: random.integers(0, len(data))] if random.random() < 0.2 else harmed)
        try:
            encode(folder, "unigram", ["a red apple  \0 é"])
        except BundleError as error:
            assert error.sentence.isprintable()  # noqa: PT017 - either answer is right
