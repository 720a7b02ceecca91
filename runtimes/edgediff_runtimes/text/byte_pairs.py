"""The vocabulary and the merges of byte-pair encoding, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from edgediff_runtimes.errors import quoted
from edgediff_runtimes.text.files import AddedWord, added_beside, added_in, checked_ids, model_of, read_file
from edgediff_runtimes.untrusted.bounds import TOKENIZER_BYTES
from edgediff_runtimes.untrusted.documents import read_text


@final
@dataclass(frozen=True, slots=True)
class BytePairs:
    """What the files of such a tokenizer say.

    Attributes:
        vocabulary: Token to id.
        merges: Pairs of tokens, the first to be merged first.
        added: Words that are found before a text is split, by ascending id.
        ids: Of the vocabulary and the added words.
    """

    vocabulary: dict[str, int]
    merges: list[tuple[str, str]]
    added: tuple[AddedWord, ...]
    ids: dict[str, int]


def byte_pairs_of(values: Mapping[str, Any], known: Mapping[str, tuple[Any, ...]], *, owner: str) -> BytePairs:
    """Those of ``tokenizer.json``, whose model has known fields, see ``model_of``."""
    model = model_of(values, {"type": ("BPE",), "dropout": (None, 0.0), **known}, owner=owner)
    return _checked(model.get("vocab"), model.get("merges"), added_in(values))


def byte_pairs_beside(directory: Path, marks: Iterable[str]) -> BytePairs:
    """Those of ``vocab.json`` and ``merges.txt``, a line of which is a merge, with the words of the configs."""
    vocabulary = read_file(directory, "vocab.json")
    text = read_text(directory / "merges.txt", name=f"{directory.name}/merges.txt", bound=TOKENIZER_BYTES)
    lines = (line.rstrip("\r") for line in text.split("\n"))
    merges = [line for line in lines if line and not line.startswith("#version")]
    words = added_beside(directory)
    for mark in marks:
        if isinstance(vocabulary.get(mark), int):
            words[mark] = (AddedWord(mark, special=True, normalized=False), vocabulary[mark])
    return _checked(vocabulary, merges, words.values())


def _checked(vocabulary: object, merges: object, added: Iterable[tuple[AddedWord, object]]) -> BytePairs:
    """Merges as pairs: a file has each as an array or, with one space between, as a text."""
    if not isinstance(vocabulary, dict) or not isinstance(merges, list):
        raise ValueError("expected a vocabulary and its merges")  # noqa: TRY004 - of the file
    ids, words = checked_ids(vocabulary, added)
    pairs = [_pair(merge) for merge in merges]
    for first, second in pairs:
        if not (first in vocabulary and second in vocabulary and first + second in vocabulary):
            raise ValueError(f"the merge of {quoted(first)} and {quoted(second)} is not in its vocabulary")
    return BytePairs(vocabulary, pairs, words, ids)


def _pair(merge: object) -> tuple[str, str]:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], str):  # noqa: PLR2004
        return parts[0], parts[1]
    raise ValueError(f"a merge is {quoted(merge)}: expected two tokens")
