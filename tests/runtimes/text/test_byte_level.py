"""Qwen's and Llama 3's tokenizers: ids equal transformers', in all forms of their files; other chains are refused."""

from __future__ import annotations

import json

import pytest

from edgediff_runtimes.errors import BundleError, ComponentFileError

KIND = "byte-level-bpe"
ONE_DIGIT = r"\p{N}| "
ENDLESS = r"(a|a|aa)+\1\1!"


@pytest.mark.parametrize("name", ["qwen", "llama3"])
def test_ids_and_masks_are_those_of_transformers(golden, encode, expected, check, name):
    check(encode(golden / "text" / name, KIND, expected[0]), name)


@pytest.fixture
def qwen_json(copied):
    """A folder of Qwen's with one file in place of several, and what that file says, to change."""
    folder = copied("qwen")
    words = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["added_tokens_decoder"]
    split = json.loads((copied("llama3") / "tokenizer.json").read_text(encoding="utf-8"))["pre_tokenizer"]
    pattern = split["pretokenizers"][0]["pattern"]
    pattern["Regex"] = pattern["Regex"].replace(r"\p{N}{1,3}| ", ONE_DIGIT)
    values = {
        "added_tokens": [{"id": int(index), **entry} for index, entry in words.items()],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": split,
        "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": json.loads((folder / "vocab.json").read_text(encoding="utf-8")),
            "merges": (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:],
        },
    }
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    return folder, values


@pytest.mark.parametrize("form", ["merges as texts", "merges as arrays"])
def test_ids_of_qwen_from_one_file_are_the_same(qwen_json, encode, expected, check, form):
    folder, values = qwen_json
    if form == "merges as arrays":
        values["model"]["merges"] = [merge.split(" ") for merge in values["model"]["merges"]]
        values["model"]["ignore_merges"] = False
    (folder / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    check(encode(folder, KIND, expected[0]), "qwen")


def test_a_word_of_the_vocabulary_is_whole_where_merges_are_ignored(copied, encode):
    folder = copied("llama3")
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["model"]["vocab"] |= {"zq": 800}
    for entry in values["added_tokens"]:
        entry["id"] += 1
    path.write_text(json.dumps(values), encoding="utf-8")
    assert encode(folder, KIND, ["zq"], max_tokens=3).ids.tolist() == [[801, 800, 802]]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("normalizer",), {"type": "NFKC"}, "`normalizer` is"),
        (("pre_tokenizer",), None, "`pre_tokenizer` is None"),
        (("pre_tokenizer", "pretokenizers", 0, "pattern", "Regex"), ENDLESS, "`pre_tokenizer` is"),
        (("pre_tokenizer", "pretokenizers", 1, "add_prefix_space"), True, "`pre_tokenizer` is"),
        (("model", "type"), "Unigram", "`model.type` is 'Unigram'"),
        (("model", "end_of_word_suffix"), "</w>", "`model.end_of_word_suffix` is"),
        (("model", "unk_token"), "!", "`model.unk_token` is"),
        (("model", "merges", 0), "a nope", "the merge of 'a' and 'nope'"),
        (("model", "vocab", "a"), 2**31, "the id of the token 'a'"),
        (("post_processor",), {"type": "Sequence", "processors": [None] * 1000}, "`post_processor` is"),
        (("post_processor",), {"type": "TemplateProcessing", "single": [], "special_tokens": {}}, "has no text"),
        (
            ("post_processor",),
            {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "nope"}}], "special_tokens": {"nope": 1}},
            "`post_processor` has",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_not_qwens_is_refused_in_a_sentence(qwen_json, encode, path, value, said):
    folder, values = qwen_json
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ComponentFileError, match="holds no readable tokenizer") as caught:
        encode(folder, KIND, ["a"])
    assert said in caught.value.sentence
    assert len(caught.value.sentence) < 600


def test_padding_that_is_no_token(copied, encode):
    folder = copied("qwen")
    (folder / "special_tokens_map.json").write_text(json.dumps({"pad_token": "<nope>"}))
    with pytest.raises(BundleError, match="no token `<nope>`"):
        encode(folder, KIND, ["a"])


def test_an_added_word_without_the_next_free_id(copied, encode):
    folder = copied("qwen")
    (folder / "added_tokens.json").write_text(json.dumps({"<new>": 9000}))
    with pytest.raises(BundleError, match="has the id 9000: expected the next free one"):
        encode(folder, KIND, ["a"])


def test_an_added_word_with_another_id_than_the_vocabularys(copied, encode):
    folder = copied("qwen")
    (folder / "added_tokens.json").write_text(json.dumps({"a": 5}))
    with pytest.raises(BundleError, match="the added token 'a' has the id 5: expected that of the vocabulary, 64"):
        encode(folder, KIND, ["a"])
