"""ChatGLM's tokenizer, as Kolors has it: SentencePiece's byte-pair encoding from its own file, two marks before a text.

A prompt cannot spell a mark: SentencePiece takes it for text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.errors import shown
from edgediff_runtimes.text.charsmap import check_charsmap, rewriting
from edgediff_runtimes.text.files import SPACE, reading
from edgediff_runtimes.text.rows import Chain
from edgediff_runtimes.text.sentencepiece import BPE, NORMAL, UNKNOWN, USER_DEFINED, Pieces, read_pieces

_FILE = "tokenizer.model"
# The marks, whose ids follow those of the pieces.
_MARKS = ("[MASK]", "[gMASK]", "[sMASK]", "sop", "eop")
_LONGEST = 64  # characters of a piece: every way to cut it in two is looked up
_BYTES = 256


def read_chatglm(directory: Path) -> Chain:
    """Read a tokenizer directory.

    Args:
        directory: Holds ``tokenizer.model``.

    Raises:
        ComponentFileError: It is missing, cannot be read, or is not that of such a tokenizer.
    """
    with reading(directory):
        found = read_pieces(directory, _FILE)
        unknown = [index for index, piece in enumerate(found.pieces) if piece.type == UNKNOWN]
        ids = {piece.text: index for index, piece in enumerate(found.pieces)}
        if found.algorithm != BPE or not found.byte_fallback or len(unknown) != 1 or len(ids) != len(found.pieces):
            raise ValueError(f"`{_FILE}` is not of ChatGLM's kind: expected byte pairs with fallback to bytes")
        if any(f"<0x{byte:02X}>" not in ids for byte in range(_BYTES)):
            raise ValueError(f"`{_FILE}` lacks the piece of a byte: expected all {_BYTES}")
        own = sorted((piece.text for piece in found.pieces if piece.type == USER_DEFINED), key=len, reverse=True)
        merges = _merges(found)
        prepare: Callable[[str], str] = str
        if found.charsmap:
            check_charsmap(found.charsmap)
            prepare = rewriting(found.charsmap, own)
    # A piece of the user's own is no merge of others, but a word that is a token.
    tokenizer = Tokenizer(models.BPE(ids, merges, fuse_unk=True, byte_fallback=True, ignore_merges=bool(own)))
    tokenizer.normalizer = normalizers.Sequence(_normalizers(found))
    if own:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("|".join(map(re.escape, own))), behavior="isolated")
    before = tuple(len(ids) + _MARKS.index(mark) for mark in ("[gMASK]", "sop"))
    return Chain(tokenizer, before, (), unknown[0], prepare)


def _merges(found: Pieces) -> list[tuple[str, str]]:
    """Of every piece all pairs that make it: first of pieces with higher scores, then with a longer first half."""
    normal = {piece.text: piece.score for piece in found.pieces if piece.type == NORMAL}
    merges: list[tuple[float, int, str, str]] = []
    for text, score in normal.items():
        if len(text) > _LONGEST:
            raise ValueError(f"the piece {shown(text)} has {len(text):,} characters: expected {_LONGEST} at most")
        cuts = ((-score, -place, text[:place], text[place:]) for place in range(1, len(text)))
        merges += [cut for cut in cuts if cut[2] in normal and cut[3] in normal]
    return [(first, second) for _, _, first, second in sorted(merges, key=lambda merge: merge[:2])]


def _normalizers(found: Pieces) -> list[normalizers.Normalizer]:
    ends, runs = normalizers.Replace(Regex("^ +| +$"), ""), normalizers.Replace(Regex(" {2,}"), " ")
    return [
        *([ends, runs] if found.squeezes_spaces else []),
        *([normalizers.Prepend(SPACE)] if found.dummy_prefix else []),
        normalizers.Replace(" ", SPACE),
    ]
