"""ChatGLM's tokenizer: ids equal those of diffusers' own, which asks SentencePiece; what is odd is refused."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.errors import BundleError, ComponentFileError
from edgediff_runtimes.text.sentencepiece import read_pieces

KIND = "chatglm"


def _field(number, value):
    """A field of a protocol buffer that holds bytes."""
    length, size = bytearray(), len(value)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + value


@pytest.fixture
def with_table(copied, golden):
    """The folder of a tokenizer to which T5's table of characters is added, as the format lets messages be joined."""

    def run(table=None):
        folder = copied("chatglm-nfkc")
        table = read_pieces(golden / "text" / "t5", "spiece.model").charsmap if table is None else table
        path = folder / "tokenizer.model"
        path.write_bytes(path.read_bytes() + _field(3, _field(2, table)))
        return folder

    return run


def test_ids_and_masks_are_those_of_diffusers(golden, encode, expected, check):
    check(encode(golden / "text" / "chatglm", KIND, expected[0]), "chatglm")


def test_ids_and_masks_where_characters_are_rewritten(with_table, encode, expected, check):
    check(encode(with_table(), KIND, expected[0]), "chatglm-nfkc")


def test_two_marks_stand_before_a_text_and_none_can_be_spelled(golden, encode):
    folder = golden / "text" / "chatglm"
    pieces = len(read_pieces(folder, "tokenizer.model").pieces)
    ids = encode(folder, KIND, ["", "[gMASK] sop"], side="left", max_tokens=30).ids
    assert ids[0].tolist() == [0] * 28 + [pieces + 1, pieces + 3]
    assert (ids[1] >= pieces).sum() == 2


def test_a_piece_of_the_users_own_is_one_token(golden, encode):
    folder = golden / "text" / "chatglm"
    place = [piece.text for piece in read_pieces(folder, "tokenizer.model").pieces].index("<think>")
    assert (encode(folder, KIND, ["a<think>b <think>"]).ids == place).sum() == 2


@pytest.mark.parametrize("name", ["t5", "chatglm-nfkc"])
def test_another_algorithm_or_a_missing_byte(copied, encode, name):
    folder = copied(name)
    path = folder / "spiece.model" if name == "t5" else folder / "tokenizer.model"
    data = path.read_bytes().replace(b"<0x0A>", b"<0x0a>")
    (folder / "tokenizer.model").write_bytes(data)
    with pytest.raises(ComponentFileError, match=r"not of ChatGLM's kind|lacks the piece of a byte"):
        encode(folder, KIND, ["a"])


def test_a_piece_that_is_too_long(copied, encode):
    folder = copied("chatglm")
    path = folder / "tokenizer.model"
    path.write_bytes(path.read_bytes() + _field(1, _field(1, b"a" * 5000)))
    with pytest.raises(ComponentFileError, match="has 5,000 characters: expected 64 at most"):
        encode(folder, KIND, ["a"])


def test_any_damage_is_a_sentence_or_does_no_harm(with_table, encode):
    path = with_table() / "tokenizer.model"
    data = path.read_bytes()
    random = np.random.default_rng(2)
    for _ in range(60):
        harmed = bytearray(data)
        for place in random.integers(0, len(data) if random.random() < 0.5 else 12_000, random.integers(1, 6)):
            harmed[place] = random.integers(0, 256)
        path.write_bytes(harmed[: random.integers(0, len(data))] if random.random() < 0.2 else harmed)
        try:
            encode(path.parent, KIND, ["a red apple  \0 é ㍿ 각 각"])
        except BundleError as error:
            assert error.sentence.isprintable()  # noqa: PT017 - either answer is right
