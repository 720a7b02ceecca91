"""BERT's tokenizer: ids equal transformers', from lines or one file; what is odd is refused in a sentence."""

from __future__ import annotations

import json

import pytest

from edgediff_runtimes.errors import BundleError, ComponentFileError

KIND = "wordpiece"


@pytest.fixture
def bert_json(copied):
    """A folder of BERT's with one file in place of lines, and what that file says, to change."""
    folder = copied("bert")
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").unlink()
    values = {
        "added_tokens": [
            {"id": index, "content": word, "special": True, "normalized": False}
            for index, word in enumerate(lines)
            if word.startswith("[") and word.endswith("]") and len(word) > 2
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: index for index, word in enumerate(lines)},
        },
    }
    return folder, values


def test_ids_and_masks_are_those_of_transformers(golden, encode, expected, check):
    check(encode(golden / "text" / "bert", KIND, expected[0]), "bert")


def test_ids_from_one_file_are_the_same(bert_json, encode, expected, check):
    folder, values = bert_json
    (folder / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    check(encode(folder, KIND, expected[0]), "bert")


def test_the_config_says_whether_texts_are_lowered(copied, encode):
    folder = copied("bert")
    lowered, plain = encode(folder, KIND, ["A RED", "a red"], max_tokens=6).ids.tolist()
    assert lowered == plain
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}), encoding="utf-8")
    assert encode(folder, KIND, ["A RED"], max_tokens=6).ids.tolist() != [plain]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("normalizer",), None, "`normalizer` is None"),
        (("normalizer", "clean_text"), False, "`normalizer` is"),
        (("pre_tokenizer", "type"), "Whitespace", "`pre_tokenizer` is"),
        (("model", "type"), "BPE", "`model.type` is 'BPE'"),
        (("model", "max_input_chars_per_word"), 10**9, "`model.max_input_chars_per_word` is 1000000000"),
        (("model", "continuing_subword_prefix"), "", "`model.continuing_subword_prefix` is ''"),
        (("model", "vocab"), [], "expected a vocabulary"),
        (("model", "vocab", "a"), -1, "the id of the token 'a' is -1"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_not_berts_is_refused_in_a_sentence(bert_json, encode, path, value, said):
    folder, values = bert_json
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ComponentFileError, match="holds no readable tokenizer") as caught:
        encode(folder, KIND, ["a"])
    assert said in caught.value.sentence


def test_a_mark_outside_of_the_vocabulary(copied, encode):
    folder = copied("bert")
    (folder / "special_tokens_map.json").write_text(json.dumps({"sep_token": "<nope>"}))
    with pytest.raises(BundleError, match="no token `<nope>`"):
        encode(folder, KIND, ["a"])
