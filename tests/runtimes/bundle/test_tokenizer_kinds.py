"""The kind of a tokenizer, from the class that its config names or from what its one file holds."""

from __future__ import annotations

import json

import pytest

from edgediff_runtimes import text
from edgediff_runtimes.bundle.tokenizer_kinds import TOKENIZER_KINDS, kind_of
from edgediff_runtimes.errors import ManifestError

CLASSES = {
    "CLIPTokenizer": "clip",
    "T5TokenizerFast": "unigram",
    "Qwen2Tokenizer": "byte-level-bpe",
    "GemmaTokenizerFast": "sentencepiece-bpe",
    "LlamaTokenizerFast": "sentencepiece-bpe",
    "BertTokenizer": "wordpiece",
}
ANY = ("PreTrainedTokenizerFast", "TokenizersBackend")


def _kind(class_name, whole=None):
    return kind_of({"tokenizer_class": class_name}, name="a/b", whole=lambda: whole or {})


def test_every_kind_has_a_reader():
    assert set(TOKENIZER_KINDS) == set(text.READERS)


@pytest.mark.parametrize("class_name", CLASSES)
def test_a_class_tells(class_name):
    assert _kind(class_name) == CLASSES[class_name]


def test_without_a_class_it_is_clips():
    assert kind_of({}, name="a/b", whole=dict) == "clip"


@pytest.mark.parametrize("class_name", ANY)
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("text/llama3", "byte-level-bpe"),
        ("text/gemma", "sentencepiece-bpe"),
        ("tokenizer/pad-end-json", "clip"),
    ],
)
def test_where_a_class_is_any_the_file_tells(golden, class_name, folder, kind):
    values = json.loads((golden / folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert _kind(class_name, values) == kind


@pytest.mark.parametrize("name", ["Unigram", "WordPiece"])
def test_the_file_of_other_models_tells(name):
    assert _kind(ANY[0], {"model": {"type": name}}) == {"Unigram": "unigram", "WordPiece": "wordpiece"}[name]


@pytest.mark.parametrize(
    ("class_name", "whole"), [("XLNetTokenizer", {}), (7, {}), (ANY[0], {}), (ANY[1], {"model": {"type": "WordLevel"}})]
)
def test_what_is_not_known_is_named(class_name, whole):
    with pytest.raises(ManifestError, match="a/b: tokenizer_class"):
        _kind(class_name, whole)
