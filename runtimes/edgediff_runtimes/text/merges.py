"""The merges of byte-pair encoding, checked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from edgediff_runtimes.errors import quoted
from edgediff_runtimes.untrusted.bounds import TOKENIZER_BYTES
from edgediff_runtimes.untrusted.documents import read_text


def merge_lines(directory: Path) -> list[str]:
    """The lines of ``merges.txt``: a merge each, the first to be merged first."""
    text = read_text(directory / "merges.txt", name=f"{directory.name}/merges.txt", bound=TOKENIZER_BYTES)
    lines = (line.rstrip("\r") for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#version")]


def checked_merges(merges: list[object], vocabulary: Collection[str]) -> list[tuple[str, str]]:
    """Merges as pairs: a file has each as an array or, with one space between, as a text.

    Raises:
        ValueError: One is no pair, or not in the vocabulary.
    """
    pairs = [_pair(merge) for merge in merges]
    for first, second in pairs:
        if not (first in vocabulary and second in vocabulary and first + second in vocabulary):
            raise ValueError(f"the merge of {quoted(first)} and {quoted(second)} is not in its vocabulary")
    return pairs


def _pair(merge: object) -> tuple[str, str]:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], str):  # noqa: PLR2004
        return parts[0], parts[1]
    raise ValueError(f"a merge is {quoted(merge)}: expected two tokens")
