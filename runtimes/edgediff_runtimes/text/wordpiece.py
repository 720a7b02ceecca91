"""BERT's tokenizer: words cut into the longest known pieces (Wu et al. 2016, section 4.1), two marks around."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.text.files import (
    CONFIG,
    WHOLE,
    AddedWord,
    add_words,
    added_beside,
    added_in,
    check_marks,
    checked_ids,
    model_of,
    part_of,
    read_config,
    read_file,
    read_marks,
    reading,
)
from edgediff_runtimes.text.rows import Chain
from edgediff_runtimes.untrusted.bounds import TOKENIZER_BYTES
from edgediff_runtimes.untrusted.documents import read_text
from edgediff_runtimes.untrusted.links import is_regular

_OWNER = "BERT's"
_MARKS = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
_LONGEST_WORD = 100  # characters; a longer one is unknown as a whole
_MODEL: dict[str, tuple[Any, ...]] = {
    "type": (None, "WordPiece"),  # early files do not say
    "continuing_subword_prefix": ("##",),
    "max_input_chars_per_word": (_LONGEST_WORD,),
}
_NORMALIZERS = [
    {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": chinese,
        "strip_accents": accents,
        "lowercase": lower,
    }
    for chinese in (True, False)
    for accents in (None, True, False)
    for lower in (True, False)
]


def read_wordpiece(directory: Path) -> Chain:
    """Read a tokenizer directory.

    Args:
        directory: Holds ``tokenizer.json`` or ``vocab.txt``, in ``tokenizer_config.json`` whether texts are lowered,
            and perhaps the names of special tokens there or in ``special_tokens_map.json``.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is not that of a BERT tokenizer.
        BundleError: A special token is not in the vocabulary, or an added one has not the next free id.
    """
    with reading(directory):
        marks = read_marks(directory, _MARKS)
        if is_regular(directory / WHOLE):
            values = read_file(directory, WHOLE)
            vocabulary = model_of(values, _MODEL, owner=_OWNER).get("vocab")
            part_of(values, "normalizer", _NORMALIZERS, owner=_OWNER)
            part_of(values, "pre_tokenizer", [{"type": "BertPreTokenizer"}], owner=_OWNER)
            added = added_in(values)
        else:
            vocabulary = _lines(directory)
            words = {
                mark: (AddedWord(mark, special=True, normalized=False), vocabulary[mark])
                for mark in marks.values()
                if mark in vocabulary
            }
            added = [*{**words, **added_beside(directory)}.values()]
        if not isinstance(vocabulary, dict):
            raise ValueError("expected a vocabulary")  # noqa: TRY004 - of the file
        ids, found = checked_ids(vocabulary, added)
    check_marks((marks[role] for role in _MARKS if role != "mask_token"), ids)
    tokenizer = Tokenizer(
        models.WordPiece(vocabulary, unk_token=marks["unk_token"], max_input_chars_per_word=_LONGEST_WORD)
    )
    tokenizer.normalizer = _normalizer(read_config(directory, CONFIG))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    add_words(tokenizer, found)
    start, end, pad = (ids[marks[role]] for role in ("cls_token", "sep_token", "pad_token"))
    return Chain(tokenizer, (start,), (end,), pad)


def _lines(directory: Path) -> dict[str, int]:
    """The vocabulary of ``vocab.txt``, a token a line."""
    text = read_text(directory / "vocab.txt", name=f"{directory.name}/vocab.txt", bound=TOKENIZER_BYTES)
    lines = text.removesuffix("\n").split("\n")
    return {line.rstrip(): index for index, line in enumerate(lines)}


def _normalizer(config: Mapping[str, Any]) -> normalizers.BertNormalizer:
    """As transformers does it: the config says what is done, whatever ``tokenizer.json`` says."""
    accents = config.get("strip_accents")
    return normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars") is not False,
        strip_accents=accents if isinstance(accents, bool) else None,
        lowercase=config.get("do_lower_case") is not False,
    )
