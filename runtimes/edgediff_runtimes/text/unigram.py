"""T5's and UMT5's tokenizer: the most probable pieces (Kudo 2018, "Subword Regularization") and an end mark."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.errors import quoted
from edgediff_runtimes.text.charsmap import check_charsmap
from edgediff_runtimes.text.files import (
    CONFIG,
    SPACE,
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
from edgediff_runtimes.text.sentencepiece import CONTROL, UNIGRAM, UNKNOWN, USER_DEFINED, read_pieces
from edgediff_runtimes.untrusted.links import is_regular

_MARKS = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
_EXTRA_IDS = 100  # T5's sentinels, where a config does not say how many
_MOST_EXTRA_IDS = 1024
_HIGHEST = 1e6  # of a score, either way: they are logarithms, and added up
_MODEL: dict[str, tuple[Any, ...]] = {"type": ("Unigram",), "byte_fallback": (None, False)}
_STRIP = {"type": "Strip", "strip_left": False, "strip_right": True}
# What may stand behind the table of characters. Runs of spaces separate pieces in all forms.
_SPACES: tuple[list[dict[str, object]], ...] = (
    [],
    [{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}],
    [_STRIP, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE}],
)
_METASPACES = [
    {"type": "Metaspace", "replacement": SPACE, **begins, **splits, **written}
    for begins in (
        {"add_prefix_space": True},
        {"prepend_scheme": "always"},
        {"add_prefix_space": True, "prepend_scheme": "always"},
    )
    for splits in ({}, {"split": True})
    for written in ({}, {"str_rep": SPACE})
]
_PRE_TOKENIZERS = [
    *_METASPACES,
    *({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]} for metaspace in _METASPACES),
]


@final
@dataclass(frozen=True, slots=True)
class _Files:
    pieces: list[tuple[str, float]]
    unknown: int
    charsmap: bytes | None
    added: list[tuple[AddedWord, object]]


def read_unigram(directory: Path) -> Chain:
    """Read a tokenizer directory.

    Args:
        directory: Holds ``tokenizer.json`` or ``spiece.model``, and perhaps the names of special tokens in
            ``special_tokens_map.json`` or ``tokenizer_config.json``.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is not that of a T5 tokenizer.
        BundleError: A special token is not in the vocabulary, or an added one has not the next free id.
    """
    with reading(directory):
        marks = read_marks(directory, _MARKS)
        whole = is_regular(directory / WHOLE)
        files = _of_one_file(read_file(directory, WHOLE)) if whole else _of_sentencepiece(directory, marks)
        if files.charsmap is not None:
            check_charsmap(files.charsmap)
        vocabulary = {piece: index for index, (piece, _) in enumerate(files.pieces)}
        ids, words = checked_ids(vocabulary, files.added)
    check_marks(marks.values(), ids)
    tokenizer = Tokenizer(models.Unigram(files.pieces, unk_id=files.unknown, byte_fallback=False))
    if files.charsmap is not None:
        tokenizer.normalizer = normalizers.Precompiled(files.charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")]
    )
    add_words(tokenizer, words)
    return Chain(tokenizer, (), (ids[marks["eos_token"]],), ids[marks["pad_token"]])


def _of_one_file(values: Mapping[str, Any]) -> _Files:
    model = model_of(values, _MODEL, owner="T5's")
    part_of(values, "pre_tokenizer", _PRE_TOKENIZERS, owner="T5's")
    pieces = model.get("vocab")
    if not isinstance(pieces, list):
        raise ValueError(f"its `model.vocab` is {quoted(pieces)}: expected an array")  # noqa: TRY004 - of the file
    return _Files(
        [_piece(entry) for entry in pieces],
        _unknown(model.get("unk_id"), len(pieces)),
        _charsmap(values.get("normalizer")),
        added_in(values),
    )


def _of_sentencepiece(directory: Path, marks: Mapping[str, str]) -> _Files:
    """The pieces, and behind them T5's sentinels, the last first."""
    found = read_pieces(directory, "spiece.model")
    # mT5's says that characters without a piece become their bytes; transformers 5 does not do it, nor do we.
    if found.algorithm != UNIGRAM or not found.dummy_prefix or not found.squeezes_spaces:
        raise ValueError("`spiece.model` is not of T5's kind: expected a unigram model that squeezes spaces")
    count = read_config(directory, CONFIG).get("extra_ids", _EXTRA_IDS)
    if type(count) is not int or not 0 <= count <= _MOST_EXTRA_IDS:
        raise ValueError(f"`extra_ids` is {quoted(count)}: expected a whole number up to {_MOST_EXTRA_IDS}")
    sentinels = [f"<extra_id_{index}>" for index in reversed(range(count))]
    pieces = [_piece([piece.text, piece.score]) for piece in found.pieces] + [(word, 0.0) for word in sentinels]
    ids = {text: index for index, (text, _) in enumerate(pieces)}
    types = {piece.text: piece.type for piece in found.pieces if piece.type in (CONTROL, USER_DEFINED)}
    special = [*marks.values(), *sentinels, *(text for text, kind in types.items() if kind == CONTROL)]
    added: dict[str, tuple[AddedWord, object]]
    added = {text: (AddedWord(text, special=False, normalized=False), ids[text]) for text in types}
    added |= {text: (AddedWord(text, special=True, normalized=False), ids[text]) for text in special if text in ids}
    added |= added_beside(directory)
    unknown = [index for index, piece in enumerate(found.pieces) if piece.type == UNKNOWN]
    return _Files(
        pieces, _unknown(unknown[0] if unknown else None, len(pieces)), found.charsmap or None, [*added.values()]
    )


def _piece(entry: object) -> tuple[str, float]:
    match entry:
        case [str(text), int() | float() as score] if text and -_HIGHEST <= score <= _HIGHEST:
            return text, float(score)
    raise ValueError(f"a piece is {quoted(entry)}: expected a text and its score, from {-_HIGHEST} to {_HIGHEST}")


def _unknown(index: object, pieces: int) -> int:
    if type(index) is not int or not 0 <= index < pieces:
        raise ValueError(f"its `model.unk_id` is {quoted(index)}: expected the place of a piece")
    return index


def _charsmap(normalizer: object) -> bytes | None:
    """The table of characters of a known normalizer; None: it has none."""
    if normalizer is None:
        return None
    match normalizer:
        case {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": str(text)}, *spaces]}:
            known = spaces in _SPACES
        case {"type": "Precompiled", "precompiled_charsmap": str(text)}:
            known = True
        case {"type": "Sequence", "normalizers": list(spaces)} if spaces and spaces in _SPACES:
            return None
        case _:
            known = False
    if not known:
        raise ValueError(f"its `normalizer` is {quoted(normalizer)}: expected T5's")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"its table of characters is no base64 ({error})") from error
