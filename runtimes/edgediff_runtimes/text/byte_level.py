"""Byte-level byte-pair encoding with the word rules that came with tiktoken: Qwen's and Llama 3's tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.errors import quoted
from edgediff_runtimes.text.around import marks_around
from edgediff_runtimes.text.byte_pairs import BytePairs, byte_pairs_beside, byte_pairs_of
from edgediff_runtimes.text.files import (
    WHOLE,
    add_words,
    check_marks,
    part_of,
    read_file,
    read_marks,
    reading,
)
from edgediff_runtimes.text.rows import Chain
from edgediff_runtimes.untrusted.links import is_regular

# Contractions; a run of letters with one other character before it; digits; a run of other characters, with a space
# before and ends of lines behind; white space. Qwen takes digits one by one, Llama 3 up to three.
_WORDS = tuple(
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    for digits in (r"\p{N}", r"\p{N}{1,3}")
)
_OWNER = "Qwen's or Llama 3's"
_QWEN = "<|endoftext|>"
_MODEL: dict[str, tuple[Any, ...]] = {
    "unk_token": (None,),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False, True),
}
_NORMALIZERS = (None, {"type": "NFC"})


def read_byte_level(directory: Path) -> Chain:
    """Read a tokenizer directory.

    Args:
        directory: Holds ``tokenizer.json``, or Qwen's ``vocab.json`` and ``merges.txt`` and perhaps
            ``added_tokens.json``; and the names of special tokens in ``special_tokens_map.json`` or
            ``tokenizer_config.json``.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is not that of such a tokenizer.
        BundleError: A special token is not in the vocabulary, or an added one has not the next free id.
    """
    with reading(directory):
        marks = read_marks(directory, {"pad_token": "", "eos_token": ""})
        if is_regular(directory / WHOLE):
            values = read_file(directory, WHOLE)
            pairs = byte_pairs_of(values, _MODEL, owner=_OWNER)
            composed = part_of(values, "normalizer", _NORMALIZERS, owner=_OWNER) is not None
            words = _words(values.get("pre_tokenizer"))
            whole = values["model"].get("ignore_merges") is True
        else:
            values = {}
            pairs = byte_pairs_beside(directory, filter(None, [_QWEN, *marks.values()]))
            composed, words, whole = True, _WORDS[0], False
        # A row of Llama 3's is padded with what ends a text: its released files name no padding.
        pad = marks["pad_token"] or marks["eos_token"] or _QWEN
        before, after = marks_around(values.get("post_processor"), pairs.ids)
    check_marks([pad], pairs.ids)
    return Chain(_build(pairs, words, composed=composed, whole=whole), before, after, pairs.ids[pad])


def _build(pairs: BytePairs, words: str, *, composed: bool, whole: bool) -> Tokenizer:
    """``composed``: texts are brought to NFC; ``whole``: a word that is a token is not put together from merges."""
    tokenizer = Tokenizer(models.BPE(pairs.vocabulary, pairs.merges, ignore_merges=whole))
    if composed:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    add_words(tokenizer, pairs.added)
    return tokenizer


def _words(pre_tokenizer: object) -> str:
    """The known rule for words that a file states."""
    match pre_tokenizer:
        case {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": str(words)}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        } if words in _WORDS:
            return words
    raise ValueError(f"its `pre_tokenizer` is {quoted(pre_tokenizer)}: expected {_OWNER}")
