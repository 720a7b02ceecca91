"""Textual inversion (Gal et al. 2022): new words, whose vectors become rows of a text encoder's table.

Files are those of diffusers (one tensor, called as the word), of AUTOMATIC1111 (``emb_params``; the word is the file's
name) and of Stable Diffusion XL (``clip_l`` and ``clip_g``, likewise). A word of several vectors is as many tokens.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

import numpy as np

from edgediff_runtimes.adapters.file import AdapterFile, fingerprint_of
from edgediff_runtimes.errors import AdapterError, SettingError, shown
from edgediff_runtimes.tensors import Array, Floats
from edgediff_runtimes.text.files import AddedWord, add_words
from edgediff_runtimes.text.inversion import spelled_out
from edgediff_runtimes.text.rows import Chain
from edgediff_runtimes.weights import StoredWeights

EmbeddingFiles: TypeAlias = Sequence[str | os.PathLike[str]]

_TABLE = "token_embedding.weight"  # CLIP's
_UNNAMED = ("emb_params", "clip_l", "clip_g")
_MOST_VECTORS = 75  # what CLIP has room for
_MATRIX = 2  # axes
_LONGEST_WORD = 100  # characters


@final
@dataclass(frozen=True, slots=True)
class AppliedEmbedding:
    """A word as it was added.

    Attributes:
        name: The file's name, without folders.
        sha256: Of the file.
        word: What a prompt calls it.
        vectors: How many tokens it is, by text encoder.
    """

    name: str
    sha256: str
    word: str
    vectors: dict[str, int]


@final
@dataclass(frozen=True, slots=True)
class EmbeddingFile:
    """An opened embedding: its word, and its vectors, (vectors, width), of each text encoder that it is for."""

    file: AdapterFile
    word: str
    vectors: tuple[Floats, ...]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> EmbeddingFile:
        """Open a file and read it.

        Raises:
            AdapterError: It cannot be read, or is no embedding.
            SettingError: ``path`` is no place of a file.
        """
        file = AdapterFile.open(Path(path))
        keys = [*file.tensors]
        named = len(keys) == 1 and keys[0] not in _UNNAMED
        if not keys or (not named and not {*keys} <= {*_UNNAMED}):
            some = ", ".join(f"`{shown(key)}`" for key in keys[:3])
            raise AdapterError(f"`{file.name}` holds {some or 'nothing'}: expected one tensor, called as its word")
        word = keys[0] if named else Path(file.name).stem
        if not word.strip() or len(word) > _LONGEST_WORD or not word.isprintable():
            raise AdapterError(f"the word of `{file.name}` is `{shown(word)}`: expected one of up to 100 characters")
        vectors = []
        for key in keys:
            values = file.read(key)
            values = values[None] if values.ndim == 1 else values
            if values.ndim != _MATRIX or not 1 <= len(values) <= _MOST_VECTORS:
                raise AdapterError(
                    f"`{shown(key)}` of `{file.name}` has the shape {list(values.shape)}: expected up to "
                    f"{_MOST_VECTORS} vectors"
                )
            vectors.append(values)
        return cls(file, word, tuple(vectors))


@final
@dataclass(frozen=True, slots=True)
class TableChange:
    """Rows of a table of embeddings; see ``weights.WeightChange``.

    Attributes:
        parameter: The table.
        rows: The new rows by their places, behind the last one or not.
        digests: Of the files, for the fingerprint.
    """

    parameter: str
    rows: Mapping[int, Floats]
    digests: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """See ``WeightChange.fingerprint``."""
        return fingerprint_of(self.parameter, sorted(self.rows), self.digests)

    def tensors(self, stored: StoredWeights) -> Iterator[tuple[str, Array]]:
        """See ``WeightChange.tensors``: only the new rows are rounded."""
        one, places = stored[self.parameter], [*self.rows]
        for name, new in one.write(np.stack([*self.rows.values()])).items():
            old = one.tensors(name)
            table = np.zeros((self.length(len(old)), *old.shape[1:]), old.dtype)
            table[: len(old)] = old
            table[places] = new
            yield name, table

    def length(self, rows: int) -> int:
        """How many rows the table has with the new ones, where it had so many."""
        return max(rows, *(place + 1 for place in self.rows))

    def extended(self, table: Floats) -> Floats:
        """The table's own values, (words, width), with the new rows in it."""
        values = np.zeros((self.length(len(table)), table.shape[1]), np.float32)
        values[: len(table)] = table
        values[[*self.rows]] = np.stack([*self.rows.values()])
        return values


@final
@dataclass(frozen=True, slots=True)
class Added:
    """What embeddings add to one text encoder.

    Attributes:
        chain: Its tokenizer, with the words.
        words: The words, one for each vector, in the order of their ids.
        change: What becomes of its table.
        vectors: How many tokens each word is, by the SHA-256 of its file.
    """

    chain: Chain
    words: tuple[AddedWord, ...]
    change: TableChange
    vectors: dict[str, int]


def read_embeddings(embeddings: EmbeddingFiles | None) -> list[EmbeddingFile]:
    """Open files of embeddings.

    Raises:
        SettingError: They are no list of files, or two have one word.
        AdapterError: A file cannot be read, or is no embedding.
    """
    expected = "a list of safetensors files"
    if embeddings is None:
        return []
    if isinstance(embeddings, str | bytes | os.PathLike) or not isinstance(embeddings, Sequence):
        raise SettingError("embeddings", got=embeddings, expected=expected)
    if any(not isinstance(path, str | os.PathLike) for path in embeddings):
        raise SettingError("embeddings", got=embeddings, expected=expected)
    opened = [EmbeddingFile.open(path) for path in embeddings]
    words = [one.word.lower() for one in opened]
    if len({*words}) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise SettingError("embeddings", got=embeddings, expected=f"one file for the word `{shown(twice)}`")
    return opened


def add_embeddings(
    opened: Sequence[EmbeddingFile], chain: Chain, table: tuple[str, tuple[int, ...]], *, tokenizer: str
) -> Added | None:
    """Add words to a tokenizer, and their vectors to what reads its ids.

    Args:
        opened: The embeddings; those of another width are passed over.
        chain: The tokenizer; it is changed.
        table: Name and shape of the text encoder's table.
        tokenizer: What the tokenizer is called.

    Returns:
        What was added; None where no vector has the width of the table.

    Raises:
        AdapterError: A word is one that the tokenizer has.
    """
    parameter, shape = table
    rows: dict[int, Floats] = {}
    added: list[AddedWord] = []
    counts: dict[str, int] = {}
    for one in opened:
        vectors = next((values for values in one.vectors if values.shape[1] == shape[1]), None)
        if vectors is None:
            continue
        if chain.tokenizer.token_to_id(one.word) is not None:
            raise AdapterError(f"the word `{shown(one.word)}` of `{one.file.name}` is a token of `{tokenizer}` already")
        words = [one.word, *(f"{one.word}_{index}" for index in range(1, len(vectors)))]
        for word, vector in zip(words, vectors, strict=True):
            place = chain.tokenizer.get_vocab_size(with_added_tokens=True)
            alone = word.isalnum()  # else it would be found in the middle of others
            added.append(AddedWord(word, special=False, normalized=True, single_word=alone))
            add_words(chain.tokenizer, added[-1:])
            rows[place] = vector
        counts[one.file.sha256] = len(vectors)
    if not rows:
        return None
    digests = tuple(one.file.sha256 for one in opened if one.file.sha256 in counts)
    chain = spelled_out(chain, [word.content for word in added])
    return Added(chain, tuple(added), TableChange(parameter, rows, digests), counts)


def check_used(
    opened: Sequence[EmbeddingFile], vectors: Mapping[str, Mapping[str, int]], known: Collection[int]
) -> None:
    """Refuse an embedding that no text encoder took.

    Args:
        opened: The embeddings.
        vectors: How many of each, by its file's hash, a text encoder took.
        known: The widths of the text encoders' tables.

    Raises:
        AdapterError: So it is.
    """
    for one in opened:
        if not vectors[one.file.sha256]:
            widths = " and ".join(str(values.shape[1]) for values in one.vectors)
            raise AdapterError(
                f"`{one.file.name}` has vectors of {widths} numbers: expected {' or '.join(map(str, sorted(known)))}, "
                "as the model's text encoders have"
                if known
                else f"`{one.file.name}` is for CLIP's text encoders: expected a model that has one"
            )


def table_of(shapes: Mapping[str, Sequence[int]]) -> tuple[str, tuple[int, ...]] | None:
    """Name and shape of the table of embeddings of a text encoder of CLIP's; None where there is none.

    Args:
        shapes: Of the text encoder's parameters, by name.
    """
    for name, shape in shapes.items():
        if name.endswith(_TABLE) and len(shape) == _MATRIX:
            return name, tuple(shape)
    return None
