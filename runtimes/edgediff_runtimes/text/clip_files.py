"""The files of a CLIP tokenizer, of all versions of transformers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from edgediff_runtimes.text.files import (
    WHOLE,
    AddedWord,
    added_beside,
    added_in,
    check_marks,
    checked_ids,
    model_of,
    part_of,
    read_file,
    read_marks,
    reading,
)
from edgediff_runtimes.text.merges import checked_merges, merge_lines
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
    "type": ("BPE",),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (END_OF_WORD,),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}


@final
@dataclass(frozen=True, slots=True)
class ClipFiles:
    """What the files of a tokenizer say.

    Attributes:
        vocabulary: Token to id, added words included.
        merges: Pairs of tokens, the first to be merged first.
        added: Words that are found before a text is split, by ascending id.
        marks: ``bos_token``, ``eos_token`` and ``pad_token``; CLIP's own where the files do not say.
    """

    vocabulary: dict[str, int]
    merges: list[tuple[str, str]]
    added: tuple[AddedWord, ...]
    marks: dict[str, str]


def read_clip_files(directory: Path) -> ClipFiles:
    """Read a tokenizer's directory: ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``, and the configs beside.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is no CLIP tokenizer's.
        BundleError: A mark is not in the vocabulary.
    """
    with reading(directory):
        marks = read_marks(directory, _MARKS)
        whole = is_regular(directory / WHOLE)
        files = _of_one_file(read_file(directory, WHOLE), marks) if whole else _of_several_files(directory, marks)
    check_marks(marks.values(), files.vocabulary)
    return files


def _of_one_file(values: Mapping[str, Any], marks: dict[str, str]) -> ClipFiles:
    model = model_of(values, _MODEL, owner="CLIP's")
    part_of(values, "normalizer", [_NORMALIZER], owner="CLIP's")
    part_of(values, "pre_tokenizer", _PRE_TOKENIZERS, owner="CLIP's")
    return _checked(model.get("vocab"), model.get("merges"), added_in(values), marks)


def _of_several_files(directory: Path, marks: dict[str, str]) -> ClipFiles:
    vocabulary = read_file(directory, "vocab.json")
    words = added_beside(directory)
    for mark in marks.values():
        if isinstance(vocabulary.get(mark), int):
            words[mark] = (AddedWord(mark, special=True, normalized=False), vocabulary[mark])
    return _checked(vocabulary, merge_lines(directory), words.values(), marks)


def _checked(
    vocabulary: object, merges: object, added: Iterable[tuple[AddedWord, object]], marks: dict[str, str]
) -> ClipFiles:
    if not isinstance(vocabulary, dict) or not isinstance(merges, list):
        raise ValueError("expected a vocabulary and its merges")  # noqa: TRY004 - of the file
    ids, words = checked_ids(vocabulary, added)
    return ClipFiles(ids, checked_merges(merges, vocabulary), words, marks)
