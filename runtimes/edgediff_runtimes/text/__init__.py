"""Prompts to token ids, through the ``tokenizers`` library and nothing else."""

from __future__ import annotations

from pathlib import Path

from edgediff_runtimes.bundle.manifest import Tokenizer
from edgediff_runtimes.text.clip import ClipTokenizer
from edgediff_runtimes.text.encoding import Encoded, Encoder, PromptTruncationWarning

__all__ = ["ClipTokenizer", "Encoded", "Encoder", "PromptTruncationWarning", "open_tokenizer"]

_KINDS = {"clip": ClipTokenizer}


def open_tokenizer(tokenizer: Tokenizer, directory: Path) -> Encoder:
    """Read a bundle's tokenizer.

    Args:
        tokenizer: What the manifest says of it.
        directory: Where its files are.

    Raises:
        BundleError: It cannot be read.
    """
    return _KINDS[tokenizer.kind](directory, max_tokens=tokenizer.max_tokens)
