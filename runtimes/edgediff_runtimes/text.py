"""Prompts to token ids, as CLIP's tokenizer gives them."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from edgediff_runtimes.errors import BundleError, ComponentFileError

# Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", released tokenizer:
# contractions, runs of letters, single digits, runs of anything else.
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_QUOTED = 80  # characters of what is cut off that the warning quotes
_START, _END = "<|startoftext|>", "<|endoftext|>"
_FLAGS = ("lstrip", "normalized", "rstrip", "single_word", "special")  # of an added token


class PromptTruncationWarning(UserWarning):
    """A prompt has more tokens than the text encoder takes; the message says where it is cut off."""


@final
class ClipTokenizer:
    """Byte-pair encoding with CLIP's word rule, a start mark, an end mark, and padding to a fixed length."""

    def __init__(self, directory: Path, *, max_tokens: int) -> None:
        """Read a tokenizer directory.

        Args:
            directory: Holds ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``, with added tokens (of textual
                inversion) in ``added_tokens.json`` or ``tokenizer_config.json``; and the names of special tokens in
                ``special_tokens_map.json`` or ``tokenizer_config.json``.
            max_tokens: Tokens of one prompt, both marks included.

        Raises:
            ComponentFileError: A file is missing or cannot be read.
            BundleError: A special token is not in the vocabulary, or an added one has not the next free id.
        """
        self.max_tokens = max_tokens
        special = _special_tokens(directory)
        self._tokenizer = _read_tokenizer(directory, list(special.values()))
        self._start = self._id(special["bos_token"])
        self._end = self._id(special["eos_token"])
        self._pad = self._id(special["pad_token"])

    def _id(self, token: str) -> int:
        index: int | None = self._tokenizer.token_to_id(token)
        if index is None:
            raise BundleError(f"the tokenizer has no token `{token}`: expected it in its vocabulary")
        return index

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


def _read_tokenizer(directory: Path, special: list[str]) -> Tokenizer:
    try:
        if (directory / "tokenizer.json").is_file():
            tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
            # Length is this class's business: it must know what is cut off.
            tokenizer.no_truncation()
            tokenizer.no_padding()
            return tokenizer
        bpe = models.BPE.from_file(
            str(directory / "vocab.json"),
            str(directory / "merges.txt"),
            unk_token=_END,
            end_of_word_suffix="</w>",
        )
    except Exception as error:  # the library raises bare Exception
        raise ComponentFileError(directory.name, f"holds no readable tokenizer ({error})") from error
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in dict.fromkeys(special)])
    for index, token in sorted(_added_tokens(directory).items()):
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
        if tokenizer.token_to_id(token.content) != index:
            raise BundleError(
                f"the added token {token.content[:_QUOTED]!r} has the id {index}: expected the next free one, "
                f"{tokenizer.token_to_id(token.content)}"
            )
    return tokenizer


def _added_tokens(directory: Path) -> dict[int, AddedToken]:
    """The tokens added to a vocabulary, by id, as transformers reads them where there is no ``tokenizer.json``."""
    added: dict[int, AddedToken] = {}
    name = "added_tokens.json"
    for token, index in _read_object(directory, name).items():
        if type(index) is not int:
            raise ComponentFileError(f"{directory.name}/{name}", f"gives {token[:_QUOTED]!r} no whole number as id")
        added[index] = AddedToken(token, normalized=True, special=False)
    name = "tokenizer_config.json"
    decoder = _read_object(directory, name).get("added_tokens_decoder") or {}
    for index, token in decoder.items() if isinstance(decoder, dict) else [("", decoder)]:
        match token:
            case {"content": str(content)} if index.isascii() and index.isdigit():
                flags = {flag: token[flag] for flag in _FLAGS if type(token.get(flag)) is bool}
                added[int(index)] = AddedToken(content, **flags)
            case _:
                where = f"added_tokens_decoder.{index[:_QUOTED]}"
                raise ComponentFileError(f"{directory.name}/{name}", f"has no token at `{where}`")
    return added


def _special_tokens(directory: Path) -> dict[str, str]:
    """The tokens that mark start, end and padding; CLIP's own where the files do not say."""
    found = {"bos_token": _START, "eos_token": _END, "pad_token": _END}
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        values = _read_object(directory, name)
        for role in found:
            token = values.get(role)
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str):
                found[role] = token
    return found


def _read_object(directory: Path, name: str) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    path = directory / name
    if not path.is_file():
        return {}
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ComponentFileError(f"{directory.name}/{name}", f"is not JSON ({error})") from error
    if not isinstance(values, dict):
        raise ComponentFileError(f"{directory.name}/{name}", "is not a JSON object")
    return values
