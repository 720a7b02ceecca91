"""What the files of all kinds of tokenizers have in common, read as data: nothing that they say is run.

``tokenizer.json`` can describe any chain of text programs: regular expressions that never end, replacements that make
gigabytes of a prompt, tables that end the interpreter. Only the chains that are known are taken from it, by comparison,
and then built here.

Functions that look at what a file says raise ``ValueError`` with the reason; ``reading`` gives it its name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tokenizers import AddedToken, Tokenizer

from edgediff_runtimes.errors import BundleError, ComponentFileError, quoted, shown
from edgediff_runtimes.untrusted.bounds import TOKENIZER_BYTES, VOCABULARY
from edgediff_runtimes.untrusted.documents import read_json
from edgediff_runtimes.untrusted.links import is_regular

WHOLE = "tokenizer.json"
SPACE = "▁"  # how SentencePiece writes one
CONFIG = "tokenizer_config.json"
_CONFIGS = (CONFIG, "special_tokens_map.json")


@final
@dataclass(frozen=True, slots=True)
class AddedWord:
    """A word beside the vocabulary, found in a text before it is split: a mark, or a word of textual inversion.

    Attributes:
        content: The word.
        special: Whether it is a mark.
        normalized: Whether it is looked for in the text's normal form (lower case), and not in the text as it stands.
        lstrip: Whether it takes the spaces before it.
        rstrip: Whether it takes the spaces after it.
        single_word: Whether it is found only where no letter touches it.
    """

    content: str
    special: bool
    normalized: bool
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False


@contextlib.contextmanager
def reading(directory: Path) -> Iterator[None]:
    """Say of a tokenizer that it cannot be read, and why.

    Raises:
        ComponentFileError: A file is missing, cannot be read, or is no tokenizer of the kind.
    """
    try:
        yield
    except (ValueError, ComponentFileError) as error:
        reason = error.sentence if isinstance(error, ComponentFileError) else str(error)
        raise ComponentFileError(directory.name, f"holds no readable tokenizer ({reason})") from error


def read_file(directory: Path, name: str) -> dict[str, Any]:
    """A JSON object among a tokenizer's files."""
    return read_json(directory / name, name=f"{directory.name}/{name}", bound=TOKENIZER_BYTES)


def read_config(directory: Path, name: str) -> dict[str, Any]:
    """The same, empty where there is no such file."""
    return read_file(directory, name) if is_regular(directory / name) else {}


def read_marks(directory: Path, usual: Mapping[str, str]) -> dict[str, str]:
    """The marks by role (``bos_token`` ...), of the configs beside; ``usual`` are those of files that do not say."""
    marks = dict(usual)
    for config in (read_config(directory, name) for name in _CONFIGS):
        for role in marks:
            token = config.get(role)
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str) and token:
                marks[role] = token
    return marks


def check_marks(marks: Iterable[str], ids: Collection[str]) -> None:
    """Refuse marks without an id.

    Raises:
        BundleError: A mark is not in the vocabulary.
    """
    for mark in marks:
        if mark not in ids:
            raise BundleError(f"the tokenizer has no token `{shown(mark)}`: expected it in its vocabulary")


def part_of(values: Mapping[str, Any], name: str, shapes: Iterable[object], *, owner: str) -> object:
    """A part of ``tokenizer.json`` that has one of the known shapes."""
    part = values.get(name)
    if part not in shapes:
        raise ValueError(f"its `{name}` is {quoted(part)}: expected {owner}")
    return part


def model_of(values: Mapping[str, Any], known: Mapping[str, tuple[Any, ...]], *, owner: str) -> dict[str, Any]:
    """The ``model`` of ``tokenizer.json``, whose fields have known values."""
    model = values.get("model")
    if not isinstance(model, dict):
        raise ValueError(f"its `model` is {quoted(model)}: expected an object")  # noqa: TRY004 - of the file
    for name, allowed in known.items():
        if model.get(name) not in allowed or isinstance(model.get(name), list | dict):
            raise ValueError(
                f"its `model.{name}` is {quoted(model.get(name))}: expected {owner}, {quoted(allowed[-1])}"
            )
    return model


def added_in(values: Mapping[str, Any]) -> list[tuple[AddedWord, object]]:
    """The added words of ``tokenizer.json``, each with its id."""
    entries = values.get("added_tokens") or []
    if not isinstance(entries, list):
        raise ValueError(f"its `added_tokens` are {quoted(entries)}: expected an array")  # noqa: TRY004 - of the file
    return [added_word(entry, entry.get("id")) for entry in entries if isinstance(entry, dict)]


def added_beside(directory: Path) -> dict[str, tuple[AddedWord, object]]:
    """The words beside a vocabulary, of both formats of transformers; the later one, in its config, has flags too."""
    words = {}
    for content, index in read_config(directory, "added_tokens.json").items():
        if type(index) is not int:
            raise ValueError(f"`{directory.name}/added_tokens.json` gives {quoted(content)} no whole number as id")
        words[content] = added_word({"content": content}, index)
    decoder = read_config(directory, CONFIG).get("added_tokens_decoder") or {}
    for index, entry in decoder.items() if isinstance(decoder, dict) else [("", decoder)]:
        if not isinstance(entry, dict) or "content" not in entry or not re.fullmatch("[0-9]{1,9}", index):
            place = f"added_tokens_decoder.{shown(index)}"
            raise ValueError(f"`{directory.name}/{CONFIG}` has no token at `{place}`")
        words[str(entry["content"])] = added_word(entry, int(index))
    return words


def added_word(entry: Mapping[str, Any], index: object) -> tuple[AddedWord, object]:
    """An added word with its id."""
    content = entry.get("content")
    if not isinstance(content, str) or not content:
        raise ValueError(f"an added token is {quoted(content)}: expected a text that is not empty")
    special = entry.get("special") is True
    normalized = not special if entry.get("normalized") is None else entry.get("normalized") is True
    flags = {name: entry.get(name) is True for name in ("lstrip", "rstrip", "single_word")}
    return AddedWord(content, special=special, normalized=normalized, **flags), index


def checked_ids(
    vocabulary: Mapping[str, object], added: Iterable[tuple[AddedWord, object]]
) -> tuple[dict[str, int], tuple[AddedWord, ...]]:
    """Ids of all tokens, and the added words by ascending id.

    Raises:
        BundleError: An added word has neither the vocabulary's id nor the next free one.
    """
    words = list(added)
    ids: dict[str, int] = {}
    for token, index in [*vocabulary.items(), *((word.content, index) for word, index in words)]:
        if type(index) is not int or not 0 <= index < VOCABULARY.most:
            expected = f"a whole number below {VOCABULARY.most:,}, because {VOCABULARY.reason}"
            raise ValueError(f"the id of the token {quoted(token)} is {quoted(index)}: expected {expected}")
        ids[token] = index
    for word, index in words:
        if vocabulary.get(word.content, index) != index:
            raise BundleError(
                f"the added token {quoted(word.content)} has the id {quoted(index)}: expected that of the vocabulary, "
                f"{quoted(vocabulary[word.content])}"
            )
    words.sort(key=lambda word: ids[word[0].content])
    free = len(vocabulary)
    for word, index in words:
        if word.content not in vocabulary and index != free:  # transformers would give it the next one, unsaid
            raise BundleError(
                f"the added token {quoted(word.content)} has the id {index}: expected the next free one, {free}"
            )
        free += word.content not in vocabulary
    return ids, tuple(word for word, _ in words)


def add_words(tokenizer: Tokenizer, words: Iterable[AddedWord]) -> None:
    """Let a tokenizer find added words."""
    tokenizer.add_tokens([AddedToken(**dataclasses.asdict(word)) for word in words])
