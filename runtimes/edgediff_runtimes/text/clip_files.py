"""The files of a CLIP tokenizer, of all versions of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgediff_runtimes.text.byte_pairs import BytePairs, byte_pairs_beside, byte_pairs_of
from edgediff_runtimes.text.files import WHOLE, check_marks, part_of, read_file, read_marks, reading
from edgediff_runtimes.untrusted.links import is_regular

END_OF_WORD = "</w>"
SPACES = r"\s+"
# Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", released tokenizer:
# contractions, runs of letters, single digits, runs of anything else.
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_MARKS = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
# The chain as files of all versions of transformers state it; what both ways of stating it make of a text is the same.
_WORD_PATTERNS = (WORDS, rf"<\|startoftext\|>|<\|endoftext\|>|{WORDS}")
_NORMALIZER = {
    "type": "Sequence",
    "normalizers": [
        {"type": "NFC"},
        {"type": "Replace", "pattern": {"Regex": SPACES}, "content": " "},
        {"type": "Lowercase"},
    ],
}
_PRE_TOKENIZERS = [
    {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, **regex},
        ],
    }
    for pattern in _WORD_PATTERNS
    for regex in ({"use_regex": True}, {})  # files from before the option was there mean the same
]
# What a model of byte-pair encoding may say, beside its vocabulary and merges.
_MODEL: dict[str, tuple[Any, ...]] = {
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (END_OF_WORD,),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}


def read_clip_files(directory: Path) -> tuple[BytePairs, dict[str, str]]:
    """Read a tokenizer's directory: ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``, and the configs beside.

    Returns:
        What they say, and ``bos_token``, ``eos_token`` and ``pad_token``: CLIP's own where the files do not say.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is no CLIP tokenizer's.
        BundleError: A mark is not in the vocabulary.
    """
    with reading(directory):
        marks = read_marks(directory, _MARKS)
        if is_regular(directory / WHOLE):
            values = read_file(directory, WHOLE)
            pairs = byte_pairs_of(values, _MODEL, owner="CLIP's")
            part_of(values, "normalizer", [_NORMALIZER], owner="CLIP's")
            part_of(values, "pre_tokenizer", _PRE_TOKENIZERS, owner="CLIP's")
        else:
            pairs = byte_pairs_beside(directory, marks.values())
    check_marks(marks.values(), pairs.ids)
    return pairs, marks
