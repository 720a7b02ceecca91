"""Prompts to token ids, as CLIP's tokenizer gives them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.text.clip_files import END_OF_WORD, SPACES, WORDS, ClipFiles, read_clip_files
from edgediff_runtimes.text.encoding import Encoded, warn_of_truncation


@final
class ClipTokenizer:
    """Byte-pair encoding with CLIP's word rule, a start mark, an end mark, and padding to a fixed length."""

    def __init__(self, directory: Path, *, max_tokens: int) -> None:
        """Read a tokenizer directory.

        Args:
            directory: Holds ``tokenizer.json``, or ``vocab.json`` and ``merges.txt`` and perhaps ``added_tokens.json``;
                and the names of special tokens in ``special_tokens_map.json`` or ``tokenizer_config.json``.
            max_tokens: Tokens of one prompt, both marks included.

        Raises:
            ComponentFileError: A file is missing, cannot be read, or is not that of a CLIP tokenizer.
            BundleError: A special token is not in the vocabulary, or an added one has not the next free id.
        """
        self.max_tokens = max_tokens
        files = read_clip_files(directory)
        self._tokenizer = _build(files)
        self._start, self._end, self._pad = (
            files.vocabulary[files.marks[role]] for role in ("bos_token", "eos_token", "pad_token")
        )

    def encode(self, texts: Sequence[str], *, length: int | None = None, side: str = "right") -> Encoded:
        """Start mark, text, end mark, padding; see ``Encoder``."""
        length = self.max_tokens if length is None else length
        ids = np.full((len(texts), length), self._pad, np.int64)
        mask = np.zeros_like(ids)
        for row, (text, filled) in enumerate(zip(texts, mask, strict=True)):
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
            room = length - 2
            if len(encoding.ids) > room:
                warn_of_truncation(text, tokens=len(encoding.ids), room=room, place=encoding.offsets[room][0])
            found = [self._start, *encoding.ids[:room], self._end]
            place = slice(0, len(found)) if side == "right" else slice(length - len(found), None)
            ids[row, place] = found
            filled[place] = 1
        return Encoded(ids, mask)


def _build(files: ClipFiles) -> Tokenizer:
    bpe = models.BPE(files.vocabulary, files.merges, unk_token=files.marks["eos_token"], end_of_word_suffix=END_OF_WORD)
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(SPACES), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    for word in files.added:
        add = tokenizer.add_special_tokens if word.special else tokenizer.add_tokens
        add([AddedToken(**dataclasses.asdict(word))])
    return tokenizer
