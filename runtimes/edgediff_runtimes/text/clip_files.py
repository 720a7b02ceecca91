"""The files of a CLIP tokenizer, read as data: nothing that they say is run.

``tokenizer.json`` can describe any chain of text programs: regular expressions that never end, replacements that make
gigabytes of a prompt. Only CLIP's own chain is taken from it, by comparison, and then built here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from edgediff_runtimes.errors import BundleError, ComponentFileError, quoted, shown
from edgediff_runtimes.untrusted.bounds import TOKENIZER_BYTES, VOCABULARY
from edgediff_runtimes.untrusted.documents import read_json, read_text
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
class AddedWord:
    """A word beside the vocabulary, found in a text before it is split: a mark, or a word of textual inversion.

    Attributes:
        content: The word.
        special: Whether it is a mark.
        normalized: Whether it is looked for in the text's normal form (lower case), and not in the text as it stands.
        lstrip: Whether it takes the spaces before it.
        rstrip: Whether it takes the spaces after it.
        single_word: Whether it is found only where no letter touches it.
    """

    content: str
    special: bool
    normalized: bool
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False


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
    configs = [_config(directory, name) for name in ("tokenizer_config.json", "special_tokens_map.json")]
    marks = _marks(configs)
    try:
        if is_regular(directory / "tokenizer.json"):
            files = _of_one_file(_read(directory, "tokenizer.json"), marks)
        else:
            files = _of_several_files(directory, configs[0], marks)
    except (ValueError, ComponentFileError) as error:
        reason = error.sentence if isinstance(error, ComponentFileError) else str(error)
        raise ComponentFileError(directory.name, f"holds no readable tokenizer ({reason})") from error
    for mark in marks.values():
        if mark not in files.vocabulary:
            raise BundleError(f"the tokenizer has no token `{mark}`: expected it in its vocabulary")
    return files


def _read(directory: Path, name: str) -> dict[str, Any]:
    return read_json(directory / name, name=f"{directory.name}/{name}", bound=TOKENIZER_BYTES)


def _config(directory: Path, name: str) -> dict[str, Any]:
    return _read(directory, name) if is_regular(directory / name) else {}


def _marks(configs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    marks = dict(_MARKS)
    for config in configs:
        for role in marks:
            token = config.get(role)
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str) and token:
                marks[role] = token
    return marks


def _of_one_file(values: Mapping[str, Any], marks: dict[str, str]) -> ClipFiles:
    model = values.get("model")
    if not isinstance(model, dict):
        raise ValueError(f"its `model` is {quoted(model)}: expected an object")  # noqa: TRY004 - of the file
    for name, allowed in _MODEL.items():
        if model.get(name) not in allowed or isinstance(model.get(name), list | dict):
            raise ValueError(f"its `model.{name}` is {quoted(model.get(name))}: expected CLIP's, {quoted(allowed[-1])}")
    for name, known in (("normalizer", [_NORMALIZER]), ("pre_tokenizer", _PRE_TOKENIZERS)):
        if values.get(name) not in known:
            raise ValueError(f"its `{name}` is {quoted(values.get(name))}: expected CLIP's")
    entries = values.get("added_tokens") or []
    if not isinstance(entries, list):
        raise ValueError(f"its `added_tokens` are {quoted(entries)}: expected an array")  # noqa: TRY004 - of the file
    added = [_added(entry, entry.get("id")) for entry in entries if isinstance(entry, dict)]
    return _checked(model.get("vocab"), model.get("merges"), added, marks)


def _of_several_files(directory: Path, config: Mapping[str, Any], marks: dict[str, str]) -> ClipFiles:
    vocabulary = _read(directory, "vocab.json")
    text = read_text(directory / "merges.txt", name=f"{directory.name}/merges.txt", bound=TOKENIZER_BYTES)
    lines = (line.rstrip("\r") for line in text.split("\n"))
    merges = [line for line in lines if line and not line.startswith("#version")]
    words = _added_words(directory, config)
    for mark in marks.values():
        if isinstance(vocabulary.get(mark), int):
            words[mark] = (AddedWord(mark, special=True, normalized=False), vocabulary[mark])
    return _checked(vocabulary, merges, words.values(), marks)


def _added_words(directory: Path, config: Mapping[str, Any]) -> dict[str, tuple[AddedWord, object]]:
    """The words beside ``vocab.json``, of both formats of transformers; the later one, in its config, has flags too."""
    words = {}
    for content, index in _config(directory, "added_tokens.json").items():
        if type(index) is not int:
            raise ValueError(f"`{directory.name}/added_tokens.json` gives {quoted(content)} no whole number as id")
        words[content] = _added({"content": content}, index)
    decoder = config.get("added_tokens_decoder") or {}
    for index, entry in decoder.items() if isinstance(decoder, dict) else [("", decoder)]:
        if not isinstance(entry, dict) or "content" not in entry or not re.fullmatch("[0-9]{1,9}", index):
            place = f"added_tokens_decoder.{shown(index)}"
            raise ValueError(f"`{directory.name}/tokenizer_config.json` has no token at `{place}`")
        words[str(entry["content"])] = _added(entry, int(index))
    return words


def _added(entry: Mapping[str, Any], index: object) -> tuple[AddedWord, object]:
    content = entry.get("content")
    if not isinstance(content, str) or not content:
        raise ValueError(f"an added token is {quoted(content)}: expected a text that is not empty")
    special = entry.get("special") is True
    normalized = not special if entry.get("normalized") is None else entry.get("normalized") is True
    flags = {name: entry.get(name) is True for name in ("lstrip", "rstrip", "single_word")}
    return AddedWord(content, special=special, normalized=normalized, **flags), index


def _checked(
    vocabulary: object, merges: object, added: Iterable[tuple[AddedWord, object]], marks: dict[str, str]
) -> ClipFiles:
    if not isinstance(vocabulary, dict) or not isinstance(merges, list):
        raise ValueError("expected a vocabulary and its merges")  # noqa: TRY004 - of the file
    words = list(added)
    ids = {**vocabulary, **{word.content: index for word, index in words}}
    for token, index in ids.items():
        if type(index) is not int or not 0 <= index < VOCABULARY.most:
            expected = f"a whole number below {VOCABULARY.most:,}, because {VOCABULARY.reason}"
            raise ValueError(f"the id of the token {quoted(token)} is {quoted(index)}: expected {expected}")
    pairs = [_pair(merge) for merge in merges]
    for first, second in pairs:
        if not (first in vocabulary and second in vocabulary and first + second in vocabulary):
            raise ValueError(f"the merge of {quoted(first)} and {quoted(second)} is not in its vocabulary")
    words.sort(key=lambda word: ids[word[0].content])
    free = len(vocabulary)
    for word, index in words:
        if word.content not in vocabulary and index != free:  # transformers would give it the next one, unsaid
            raise BundleError(
                f"the added token {quoted(word.content)} has the id {index}: expected the next free one, {free}"
            )
        free += word.content not in vocabulary
    return ClipFiles(ids, pairs, tuple(word for word, _ in words), marks)


def _pair(merge: object) -> tuple[str, str]:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], str):  # noqa: PLR2004
        return parts[0], parts[1]
    raise ValueError(f"a merge is {quoted(merge)}: expected two tokens")
