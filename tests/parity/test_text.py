"""Token ids and masks equal transformers', for ten thousand odd prompts, on small tokenizers of each kind."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.text import PromptTruncationWarning, open_tokenizer
from edgediff_runtimes.text.sentencepiece import read_pieces

transformers = pytest.importorskip("transformers")

GOLDEN = Path(__file__).parents[1] / "golden"
PROMPTS = 10_000
LENGTH = 48
WHOLE = 40_000  # tokens: no prompt has more


def t5():
    """From SentencePiece's pieces; transformers itself reads those only with sentencepiece."""
    pieces = read_pieces(GOLDEN / "text" / "t5", "spiece.model")
    vocabulary = [(piece.text, piece.score) for piece in pieces.pieces]
    vocabulary += [(f"<extra_id_{index}>", 0.0) for index in reversed(range(100))]
    return transformers.T5Tokenizer(vocab=vocabulary, _spm_precompiled_charsmap=pieces.charsmap)


TOKENIZERS = {
    "t5": ("unigram", t5),
    "qwen": ("byte-level-bpe", lambda: transformers.Qwen2Tokenizer.from_pretrained(GOLDEN / "text" / "qwen")),
    "llama3": ("byte-level-bpe", lambda: transformers.AutoTokenizer.from_pretrained(GOLDEN / "text" / "llama3")),
}


@pytest.fixture(scope="module")
def prompts():
    spec = importlib.util.spec_from_file_location("odd_prompts", GOLDEN / "odd_prompts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.odd_prompts(PROMPTS, seed=0)


@pytest.fixture(scope="module", params=TOKENIZERS)
def both(request, tmp_path_factory):
    """transformers' tokenizer, and ours of the files that it wrote."""
    kind, make = TOKENIZERS[request.param]
    reference = make()
    folder = tmp_path_factory.mktemp(request.param)
    reference.save_pretrained(folder)
    return reference, open_tokenizer(folder, kind=kind, max_tokens=LENGTH)


def _differing(both, prompts, length, side):
    reference, ours = both
    given = reference(
        prompts, padding="max_length", padding_side=side, max_length=length, truncation=True, return_tensors="np"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptTruncationWarning)
        got = ours.encode(prompts, lengths=[length] * len(prompts), side=side)
    same = (given["input_ids"] == got.ids) & (given["attention_mask"] == got.mask)
    return [prompts[row] for row in np.flatnonzero(~same.all(axis=1))]


@pytest.mark.parametrize("side", ["right", "left"])
def test_ids_and_masks_are_transformers(both, prompts, side):
    rows = prompts if side == "right" else prompts[:1000]
    assert _differing(both, rows, LENGTH, side) == []


def test_ids_of_long_texts_are_transformers_to_their_end(both, prompts):
    long = [prompt for prompt in prompts if len(prompt) >= WHOLE // 4]
    assert len(long) > 20
    assert _differing(both, long[:20], WHOLE, "right") == []
