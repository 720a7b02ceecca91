"""Prompts to token ids, as CLIP's tokenizer gives them."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.clip_files import END_OF_WORD, SPACES, WORDS, ClipFiles, read_clip_files

_QUOTED = 80  # characters of what is cut off that the warning quotes


class PromptTruncationWarning(UserWarning):
    """A prompt has more tokens than the text encoder takes; the message says where it is cut off."""


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

    def encode(self, prompts: Sequence[str]) -> NDArray[np.int64]:
        """Token ids of shape ``(len(prompts), max_tokens)``: start, text, end, padding.

        Text that does not fit is cut off with a ``PromptTruncationWarning`` that counts its tokens and quotes
        where it begins.
        """
        rows = np.full((len(prompts), self.max_tokens), self._pad, np.int64)
        for row, prompt in zip(rows, prompts, strict=True):
            encoding = self._tokenizer.encode(prompt, add_special_tokens=False)
            room = self.max_tokens - 2
            if len(encoding.ids) > room:
                cut = prompt[encoding.offsets[room][0] :]
                beginning = cut if len(cut) <= _QUOTED else f"{cut[:_QUOTED]}…"
                warnings.warn(
                    f"the prompt has {len(encoding.ids)} tokens, {room} fit: {len(encoding.ids) - room} cut off, "
                    f"beginning with {beginning!r}",
                    PromptTruncationWarning,
                    stacklevel=_callers_level(),
                )
            ids = [self._start, *encoding.ids[:room], self._end]
            row[: len(ids)] = ids
        return rows


def _callers_level() -> int:
    """The ``stacklevel`` of the first caller outside of this package, however deep inside a run this is."""
    package = __name__.partition(".")[0]
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level


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
