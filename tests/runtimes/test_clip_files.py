"""Only CLIP's own tokenizer is read: no other chain of text programs is run, and no file ends the interpreter."""

from __future__ import annotations

import json
import os

import pytest

from edgediff_runtimes.errors import BundleError, ComponentFileError, EdgediffError
from edgediff_runtimes.text import open_tokenizer


@pytest.fixture
def folder(golden, tmp_path):
    """A tokenizer in one file, to do harm to."""
    for file in (golden / "tokenizer" / "pad-end-json").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.fixture
def several(golden, tmp_path):
    """A tokenizer in ``vocab.json`` and ``merges.txt``, to do harm to."""
    for file in (golden / "tokenizer" / "pad-end").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def _edit(folder, change, name="tokenizer.json"):
    values = json.loads((folder / name).read_text(encoding="utf-8"))
    change(values)
    (folder / name).write_text(json.dumps(values), encoding="utf-8")


def _open(folder):
    return open_tokenizer(folder, max_tokens=12)


BOMB = {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 1000}] * 9}
ENDLESS = {"type": "Split", "pattern": {"Regex": r"(a|a|aa)+\1\1!"}, "behavior": "Removed", "invert": True}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("normalizer",), BOMB, "`normalizer` is"),
        (("normalizer",), {"type": "Prepend", "prepend": "b" * 10**6}, "`normalizer` is"),
        (("normalizer",), None, "`normalizer` is None"),
        (("pre_tokenizer",), ENDLESS, "`pre_tokenizer` is"),
        (("pre_tokenizer", "pretokenizers", 0, "pattern", "Regex"), "(x+x+)+y", "`pre_tokenizer` is"),
        (("model",), None, "`model` is None"),
        (("model", "type"), "WordLevel", "`model.type` is 'WordLevel': expected CLIP's, 'BPE'"),
        (("model", "type"), ["BPE"], "`model.type` is"),
        (("model", "dropout"), 0.5, "`model.dropout` is 0.5"),
        (("model", "end_of_word_suffix"), "", "`model.end_of_word_suffix` is ''"),
        (("model", "vocab"), [["a", 0.0]], "a vocabulary and its merges"),
        (
            ("model", "vocab", "a"),
            2**32 - 1,
            "id of the token 'a' is 4294967295: expected a whole number below 1,048,576",
        ),
        (("model", "vocab", "a"), -1, "id of the token 'a' is -1"),
        (("model", "vocab", "a"), True, "id of the token 'a' is True"),
        (("model", "merges"), [["a", "nope"]], "merge of 'a' and 'nope' is not in its vocabulary"),
        (("model", "merges"), ["a b c"], "a merge is 'a b c': expected two tokens"),
        (("model", "merges"), [1], "a merge is 1"),
        (("added_tokens",), {"a": 1}, "`added_tokens` are"),
        (("added_tokens", 0, "id"), 4_000_000_000, "id of the token '<|startoftext|>' is 4000000000"),
        (("added_tokens", 0, "content"), "", "an added token is ''"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_not_clips_is_refused_in_a_sentence(folder, path, value, said):
    def change(values):
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    _edit(folder, change)
    with pytest.raises(ComponentFileError, match="holds no readable tokenizer") as caught:
        _open(folder)
    assert said in caught.value.sentence
    assert len(caught.value.sentence) < 600


def test_what_does_not_change_ids_is_not_looked_at(folder):
    wanted = _open(folder).encode(["a red apple"]).ids.tolist()

    def change(values):
        values["post_processor"] = {"type": "Sequence", "processors": [None] * 1000}
        values["decoder"] = {"type": "Nothing"}
        values["truncation"] = {"max_length": 1}
        values["model"]["merges"] = [" ".join(merge) for merge in values["model"]["merges"]]  # as older files have them
        del values["pre_tokenizer"]["pretokenizers"][1]["use_regex"]

    _edit(folder, change)
    assert _open(folder).encode(["a red apple"]).ids.tolist() == wanted


@pytest.mark.skipif(os.name == "nt", reason="it has no pipes among files")
@pytest.mark.parametrize("name", ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"])
def test_a_pipe_is_not_waited_for(several, name):
    (several / name).unlink()
    os.mkfifo(several / name)
    try:
        _open(several)
    except ComponentFileError as error:
        assert name in error.sentence  # noqa: PT017 - a config may be absent, the others may not


def test_merges_that_are_no_text(several):
    (several / "merges.txt").write_bytes(b"#version\n\xff\xfe a b\n")
    with pytest.raises(ComponentFileError, match=r"merges\.txt"):
        _open(several)


@pytest.mark.parametrize("role", ["bos_token", "eos_token", "pad_token"])
@pytest.mark.parametrize("form", ["folder", "several"])
def test_a_mark_outside_of_the_vocabulary(request, form, role):
    directory = request.getfixturevalue(form)
    (directory / "special_tokens_map.json").write_text(json.dumps({role: {"content": "<nope>"}}), encoding="utf-8")
    with pytest.raises(BundleError, match="no token `<nope>`"):
        _open(directory)


@pytest.mark.parametrize("place", ["added_tokens.json", "added_tokens_decoder"])
def test_words_of_textual_inversion_have_their_own_ids(several, place):
    """The ids are those that transformers 5.23.0 gives; the vocabulary has 576 entries."""
    if place == "added_tokens.json":
        (several / place).write_text(json.dumps({"<cat-toy>": 576, "<Style>": 577}), encoding="utf-8")
    else:
        words = {"576": {"content": "<cat-toy>"}, "577": {"content": "<Style>", "special": False}}
        _edit(several, lambda values: values.update({place: words}), "tokenizer_config.json")
    plain, toy, style = _open(several).encode(["a", "a <cat-toy> a", "a<style>"]).ids.tolist()
    assert toy[:5] == [plain[0], plain[1], 576, plain[1], plain[2]]
    assert style[:4] == [plain[0], plain[1], 577, plain[2]]


def test_nothing_but_our_errors_comes_out_of_odd_words(several):
    for words in ({"": 1}, {"x": None}, {"x": 10**30}, {" ": 576}, {"a": 3}, {"\u0000": 576}, {"é" * 10**4: 576}):
        (several / "added_tokens.json").write_text(json.dumps(words), encoding="utf-8")
        try:
            _open(several).encode(["a red apple"])
        except EdgediffError as error:
            assert error.sentence.isprintable()  # noqa: PT017 - either answer is right
