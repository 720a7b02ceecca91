"""Prompts to token ids, through the ``tokenizers`` library and nothing else."""

from __future__ import annotations

from pathlib import Path

from edgediff_runtimes.text.byte_level import read_byte_level
from edgediff_runtimes.text.chatglm import read_chatglm
from edgediff_runtimes.text.clip import read_clip
from edgediff_runtimes.text.encoding import Encoded, Encoder, PromptTruncationWarning
from edgediff_runtimes.text.piece_pairs import read_piece_pairs
from edgediff_runtimes.text.rows import RowEncoder
from edgediff_runtimes.text.unigram import read_unigram
from edgediff_runtimes.text.wordpiece import read_wordpiece

__all__ = ["READERS", "Encoded", "Encoder", "PromptTruncationWarning", "RowEncoder", "open_tokenizer"]

READERS = {
    "clip": read_clip,
    "unigram": read_unigram,
    "byte-level-bpe": read_byte_level,
    "sentencepiece-bpe": read_piece_pairs,
    "wordpiece": read_wordpiece,
    "chatglm": read_chatglm,
}


def open_tokenizer(directory: Path, *, kind: str = "clip", max_tokens: int, hint: str = "") -> Encoder:
    """Read a tokenizer.

    Args:
        directory: Where its files are.
        kind: How it is read, as the manifest says.
        max_tokens: Tokens of a text, marks included, where a part says no length.
        hint: Stands behind the warning that a text was cut off.

    Raises:
        BundleError: It cannot be read.
    """
    return RowEncoder(READERS[kind](directory), max_tokens=max_tokens, hint=hint)
