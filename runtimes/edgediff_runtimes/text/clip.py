"""CLIP's tokenizer: byte-pair encoding with CLIP's word rule, a start mark and an end mark."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.text.clip_files import END_OF_WORD, SPACES, WORDS, read_clip_files
from edgediff_runtimes.text.files import add_words
from edgediff_runtimes.text.inversion import spelled_out
from edgediff_runtimes.text.rows import Chain


def read_clip(directory: Path) -> Chain:
    """Read a tokenizer directory.

    Args:
        directory: Holds ``tokenizer.json``, or ``vocab.json`` and ``merges.txt`` and perhaps ``added_tokens.json``;
            and the names of special tokens in ``special_tokens_map.json`` or ``tokenizer_config.json``.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is not that of a CLIP tokenizer.
        BundleError: A special token is not in the vocabulary, or an added one has not the next free id.
    """
    pairs, marks = read_clip_files(directory)
    bpe = models.BPE(pairs.ids, pairs.merges, unk_token=marks["eos_token"], end_of_word_suffix=END_OF_WORD)
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
    add_words(tokenizer, pairs.added)
    start, end, pad = (pairs.ids[marks[role]] for role in ("bos_token", "eos_token", "pad_token"))
    return spelled_out(Chain(tokenizer, (start,), (end,), pad), (word.content for word in pairs.added))
