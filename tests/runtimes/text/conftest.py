"""The golden tokenizers, and the ids that transformers gave for odd prompts."""

from __future__ import annotations

import base64
import json
import shutil
import warnings

import numpy as np
import pytest

from edgediff_runtimes.text import PromptTruncationWarning, open_tokenizer
from edgediff_runtimes.text.sentencepiece import read_pieces


@pytest.fixture(scope="session")
def expected(golden):
    """Prompts, and by tokenizer the ids and how many of them are no padding."""
    with np.load(golden / "text" / "ids.npz") as file:
        arrays = dict(file)
    return json.loads(arrays.pop("prompts").tobytes()), arrays


@pytest.fixture
def copied(golden, tmp_path):
    """A golden tokenizer to change: ``copied(name)`` gives its folder."""
    return lambda name: shutil.copytree(golden / "text" / name, tmp_path / name)


@pytest.fixture
def encode():
    """Texts to tokens, whatever is cut off."""

    def run(folder, kind, texts, **options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PromptTruncationWarning)
            return open_tokenizer(folder, kind=kind, max_tokens=options.pop("max_tokens", 40)).encode(texts, **options)

    return run


@pytest.fixture
def check(expected):
    """Compare with the ids that transformers gave: ``check(encoded, name)``."""
    _, arrays = expected

    def run(encoded, name):
        counts, ids = arrays[f"{name}.counts"], arrays[f"{name}.ids"]
        assert np.array_equal(encoded.ids, ids)
        assert np.array_equal(encoded.mask, np.arange(ids.shape[1]) < counts[:, None])

    return run


@pytest.fixture(scope="session")
def t5_json(golden):
    """A function: T5's ``tokenizer.json`` in a form of some version of transformers, from ``spiece.model``."""
    pieces = read_pieces(golden / "text" / "t5", "spiece.model")
    charsmap = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(pieces.charsmap).decode()}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    squeeze = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}
    always = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    old = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    forms = {
        "4.20": (charsmap, {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, old]}),
        "4.48": ({"type": "Sequence", "normalizers": [charsmap, strip, squeeze]}, always),
        "5.23": (charsmap, {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, always]}),
    }
    vocabulary = [[piece.text, piece.score] for piece in pieces.pieces]
    vocabulary += [[f"<extra_id_{index}>", 0.0] for index in reversed(range(100))]
    marks = [0, 1, 2, *range(len(pieces.pieces), len(vocabulary))]

    def build(form):
        normalizer, pre_tokenizer = forms[form]
        added = [
            {"id": index, "content": vocabulary[index][0], "special": True, "normalized": False} for index in marks
        ]
        return {
            "added_tokens": added,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "model": {"type": "Unigram", "unk_id": 2, "vocab": vocabulary},
        }

    return build
