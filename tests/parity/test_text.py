"""Token ids and masks equal transformers', on small tokenizers of each kind; every night for 10^4 odd prompts."""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.text import PromptTruncationWarning, open_tokenizer
from edgediff_runtimes.text.sentencepiece import read_pieces

transformers = pytest.importorskip("transformers")

GOLDEN = Path(__file__).parents[1] / "golden"
LENGTH = 48
WHOLE = 40_000  # tokens: no prompt has more


def t5():
    """The tokenizer of SentencePiece's pieces."""
    pieces = read_pieces(GOLDEN / "text" / "t5", "spiece.model")
    vocabulary = [(piece.text, piece.score) for piece in pieces.pieces]
    vocabulary += [(f"<extra_id_{index}>", 0.0) for index in reversed(range(100))]
    return transformers.T5Tokenizer(vocab=vocabulary, _spm_precompiled_charsmap=pieces.charsmap)


# Fixture, kind, class, changes of its config.
TOKENIZERS = {
    "qwen": ("qwen", "byte-level-bpe", "Qwen2Tokenizer", {}),
    "llama3": ("llama3", "byte-level-bpe", "PreTrainedTokenizerFast", {}),
    "gemma": ("gemma", "sentencepiece-bpe", "GemmaTokenizer", {}),
    "llama": ("llama", "sentencepiece-bpe", "LlamaTokenizer", {}),
    "llama-legacy": ("llama", "sentencepiece-bpe", "LlamaTokenizer", {"legacy": True, "add_bos_token": True}),
    "llama-bare": ("llama", "sentencepiece-bpe", "LlamaTokenizer", {"add_prefix_space": False}),
    "llama-file": ("llama", "sentencepiece-bpe", "PreTrainedTokenizerFast", {}),
    "bert": ("bert", "wordpiece", "BertTokenizer", {}),
    "bert-cased": ("bert", "wordpiece", "BertTokenizer", {"do_lower_case": False, "tokenize_chinese_chars": False}),
    "t5": ("t5", "unigram", "T5Tokenizer", {}),
}


@pytest.fixture(scope="module", params=[800, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.nightly])])
def prompts(request):
    spec = importlib.util.spec_from_file_location("odd_prompts", GOLDEN / "odd_prompts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.odd_prompts(request.param, seed=0)


@pytest.fixture(
    scope="module", params=[(name, form) for name in TOKENIZERS for form in ("given", "saved")], ids="-".join
)
def both(request, tmp_path_factory):
    """transformers' tokenizer, and ours, of the same files: as they were given, or as transformers saved them."""
    name, form = request.param
    fixture, kind, class_name, changes = TOKENIZERS[name]
    folder = shutil.copytree(GOLDEN / "text" / fixture, tmp_path_factory.mktemp("text") / name)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config |= {"tokenizer_class": class_name, **changes}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    read = getattr(transformers, class_name).from_pretrained
    if name == "t5":
        t5().save_pretrained(folder)  # transformers itself reads SentencePiece's files only with sentencepiece
    elif form == "saved":
        read(folder).save_pretrained(folder / "saved")
        folder /= "saved"
    return read(folder), open_tokenizer(folder, kind=kind, max_tokens=LENGTH)


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
    rows = prompts if side == "right" else prompts[: len(prompts) // 10]
    assert _differing(both, rows, LENGTH, side) == []


def test_ids_of_long_texts_are_transformers_to_their_end(both, prompts):
    long = [prompt for prompt in prompts if len(prompt) >= WHOLE // 4]
    assert long
    assert _differing(both, long[:10], WHOLE, "right") == []
