"""Gemma's and Llama's tokenizers: ids equal transformers', in all forms of their files; other chains are refused."""

from __future__ import annotations

import json

import pytest

from edgediff_runtimes.errors import BundleError, ComponentFileError

KIND = "sentencepiece-bpe"
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}


@pytest.fixture
def edited(copied):
    """A golden tokenizer with a change of ``tokenizer.json`` and of its config."""

    def run(name, change, **config):
        folder = copied(name)
        for file, edit in (("tokenizer.json", change), ("tokenizer_config.json", lambda values: values.update(config))):
            values = json.loads((folder / file).read_text(encoding="utf-8"))
            edit(values)
            (folder / file).write_text(json.dumps(values), encoding="utf-8")
        return folder

    return run


@pytest.mark.parametrize("name", ["gemma", "llama"])
def test_ids_and_masks_are_those_of_transformers(golden, encode, expected, check, name):
    check(encode(golden / "text" / name, KIND, expected[0]), name)


@pytest.mark.parametrize("scheme", ["first", "always"])
def test_llamas_config_has_the_word_and_not_the_file(edited, encode, expected, check, scheme):
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
    folder = edited("llama", lambda values: values.update(normalizer=None, pre_tokenizer=metaspace))
    check(encode(folder, KIND, expected[0]), "llama")


def test_merges_as_texts_and_no_split(edited, encode, expected, check):
    def change(values):
        values["model"]["merges"] = [" ".join(merge) for merge in values["model"]["merges"]]
        values["pre_tokenizer"] = None

    check(encode(edited("gemma", change), KIND, expected[0]), "gemma")


def test_marks_are_those_of_the_file_whatever_the_config_says(golden, edited, encode):
    folder = edited("llama", lambda _: None, add_bos_token=True, add_eos_token=False)
    assert encode(folder, KIND, [""], max_tokens=3).ids.tolist() == [[2, 2, 2]]
    assert encode(folder, KIND, [""], max_tokens=3).mask.tolist() == [[1, 0, 0]]
    assert encode(golden / "text" / "gemma", KIND, [""], max_tokens=3).ids.tolist() == [[2, 0, 0]]


def test_a_character_without_a_piece_is_its_bytes(golden, encode):
    vocabulary = json.loads((golden / "text" / "gemma" / "tokenizer.json").read_text(encoding="utf-8"))["model"][
        "vocab"
    ]
    ids = encode(golden / "text" / "gemma", KIND, ["\U0001f9ff"], max_tokens=5).ids[0]
    assert ids.tolist() == [2, *(vocabulary[f"<0x{byte:02X}>"] for byte in "\U0001f9ff".encode())]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("normalizer",), {"type": "Prepend", "prepend": "b" * 10**6}, "`normalizer` is"),
        (("normalizer",), None, "`normalizer` is None"),
        (("normalizer", "content"), "▁" * 1000, "`normalizer` is"),
        (("pre_tokenizer",), {"type": "Whitespace"}, "`pre_tokenizer`"),
        (("model", "byte_fallback"), False, "`model.byte_fallback` is False"),
        (("model", "fuse_unk"), False, "`model.fuse_unk` is False"),
        (("model", "unk_token"), "nope", "`model.unk_token` is 'nope'"),
        (("model", "unk_token"), [], "`model.unk_token` is []"),
        (("model", "merges", 0), ["a"], "a merge is ['a']"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_not_gemmas_is_refused_in_a_sentence(edited, encode, path, value, said):
    def change(values):
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    with pytest.raises(ComponentFileError, match="holds no readable tokenizer") as caught:
        encode(edited("gemma", change), KIND, ["a"])
    assert said in caught.value.sentence
    assert len(caught.value.sentence) < 600


def test_padding_that_is_no_token(edited, encode):
    marks = {"pad_token": "<gone>", "eos_token": "<nope>"}
    with pytest.raises(BundleError, match="no token `<nope>`"):
        encode(edited("llama", lambda _: None, **marks), KIND, ["a"])
