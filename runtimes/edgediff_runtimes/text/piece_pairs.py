"""SentencePiece's byte-pair encoding with fallback to bytes: Gemma's, Llama's and ChatGLM's tokenizers.

There are no words: a text is one piece, in which a space is the letter ``▁``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.errors import quoted
from edgediff_runtimes.text.around import marks_around
from edgediff_runtimes.text.byte_pairs import BytePairs, byte_pairs_of
from edgediff_runtimes.text.files import (
    CONFIG,
    SPACE,
    WHOLE,
    add_words,
    check_marks,
    read_config,
    read_file,
    read_marks,
    reading,
)
from edgediff_runtimes.text.rows import Chain

_OWNER = "Gemma's or Llama's"
_MODEL: dict[str, tuple[Any, ...]] = {
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "fuse_unk": (True,),
    "byte_fallback": (True,),
    "ignore_merges": (None, False),
}
_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, _SPACES]}
# It finds nothing, because no space is left.
_SPLIT = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
_METASPACES = {
    scheme: {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": False}
    for scheme in ("always", "first", "never")
}
_WRITTEN = "written"  # a letter in front of every stretch of text, a space before it or not


def read_piece_pairs(directory: Path) -> Chain:
    """Read a tokenizer directory.

    Args:
        directory: Holds ``tokenizer.json``, and the names of special tokens in ``special_tokens_map.json`` or
            ``tokenizer_config.json``.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is not that of such a tokenizer.
        BundleError: A special token is not in the vocabulary, or an added one has not the next free id.
    """
    with reading(directory):
        config = read_config(directory, CONFIG)
        marks = read_marks(directory, {"pad_token": "<pad>", "eos_token": ""})
        values = read_file(directory, WHOLE)
        pairs = byte_pairs_of(values, _MODEL, owner=_OWNER)
        prefix = _prefix(values, config)
        unknown = values["model"].get("unk_token")
        if unknown is not None and not (isinstance(unknown, str) and unknown in pairs.vocabulary):
            raise ValueError(f"its `model.unk_token` is {quoted(unknown)}: expected a token of its vocabulary")
        before, after = marks_around(values.get("post_processor"), pairs.ids)
    pad = marks["pad_token"] if marks["pad_token"] in pairs.ids else marks["eos_token"]
    check_marks([pad], pairs.ids)
    return Chain(_build(pairs, prefix, unknown), before, after, pairs.ids[pad])


def _prefix(values: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """What stands before a text: of ``_METASPACES``, or ``_WRITTEN``.

    As transformers 5 does it: the class of Llama's tokenizer is asked of the config, all others of the file.
    """
    normalizer, pre_tokenizer = values.get("normalizer"), values.get("pre_tokenizer")
    schemes = [scheme for scheme, metaspace in _METASPACES.items() if pre_tokenizer == metaspace]
    if normalizer is None and schemes:
        written = schemes[0]
    elif normalizer == _SPACES and pre_tokenizer in (None, _SPLIT):
        written = "never"
    elif normalizer == _PREPEND and pre_tokenizer is None:
        written = _WRITTEN
    else:
        raise ValueError(
            f"its `normalizer` is {quoted(normalizer)} and its `pre_tokenizer` {quoted(pre_tokenizer)}: "
            f"expected {_OWNER}"
        )
    if str(config.get("tokenizer_class")).removesuffix("Fast") != "LlamaTokenizer":
        return written
    if config.get("add_prefix_space") is False:
        return "never"
    return "always" if config.get("legacy") is True else "first"


def _build(pairs: BytePairs, prefix: str, unknown: str | None) -> Tokenizer:
    model = models.BPE(pairs.vocabulary, pairs.merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    if prefix == _WRITTEN:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=prefix, split=False)
    add_words(tokenizer, pairs.added)
    return tokenizer
