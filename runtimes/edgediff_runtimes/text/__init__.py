"""Prompts to token ids, through the ``tokenizers`` library and nothing else."""

from __future__ import annotations

from pathlib import Path

from edgediff_runtimes.text.byte_level import read_byte_level
from edgediff_runtimes.text.clip import read_clip
from edgediff_runtimes.text.encoding import Encoded, Encoder, PromptTruncationWarning
from edgediff_runtimes.text.rows import RowEncoder
from edgediff_runtimes.text.unigram import read_unigram

__all__ = ["Encoded", "Encoder", "PromptTruncationWarning", "open_tokenizer"]

_KINDS = {"clip": read_clip, "unigram": read_unigram, "byte-level-bpe": read_byte_level}


def open_tokenizer(directory: Path, *, kind: str = "clip", max_tokens: int) -> Encoder:
    """Read a tokenizer.

    Args:
        directory: Where its files are.
        kind: How it is read, as the manifest says.
        max_tokens: Tokens of a text, marks included, where a part says no length.

    Raises:
        BundleError: It cannot be read.
    """
    return RowEncoder(_KINDS[kind](directory), max_tokens=max_tokens)
