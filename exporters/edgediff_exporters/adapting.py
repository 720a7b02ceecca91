"""LoRAs and new words fused into a source: every export of it is then of the changed model, whatever the precision.

The changed tensors are written into one file in the export's own folder and mapped from there, as all weights are: they
take no memory that the system could not have back. Names and formulas are those of ``edgediff_runtimes.adapters``.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import final

import torch

from edgediff_exporters.opening import OpenedModel
from edgediff_exporters.sources.base import Source
from edgediff_exporters.weights import Weights
from edgediff_runtimes.adapters.adapted import warn_of_unbound
from edgediff_runtimes.adapters.embeddings import (
    EmbeddingFile,
    EmbeddingFiles,
    TableChange,
    add_embeddings,
    check_used,
    read_embeddings,
    table_of,
)
from edgediff_runtimes.adapters.lora import AppliedLora, LoraChange, LoraFile, Loras, bind, read_loras
from edgediff_runtimes.bundle import FileEntry, Fusion, Tokenizer, sha256_of
from edgediff_runtimes.errors import AdapterError
from edgediff_runtimes.tensors import Floats
from edgediff_runtimes.text import READERS
from edgediff_runtimes.text.files import WHOLE, AddedWord

_FLOAT_BYTES = 4


@final
@dataclass(slots=True)
class Fused:
    """LoRAs and embeddings bound to the components of a source.

    Attributes:
        changes: By component, as the source calls it.
        loras: What was bound of each LoRA.
        embeddings: The embeddings.
        tables: Filled as tokenizers are written: the new rows, by component.
        vectors: Likewise: how many tokens each word is, by the hash of its file and tokenizer.
        widths: Likewise: of the text encoders' tables.
    """

    changes: Mapping[str, LoraChange]
    loras: tuple[AppliedLora, ...]
    embeddings: list[EmbeddingFile]
    tables: dict[str, TableChange] = field(default_factory=dict)
    vectors: dict[str, dict[str, int]] = field(default_factory=dict)
    widths: set[int] = field(default_factory=set)

    def words(self) -> list[str]:
        """The same as options of the command, without paths."""
        loras = [word for one in self.loras for word in ("--lora", f"{one.name}={one.scale:g}")]
        return loras + [word for one in self.embeddings for word in ("--embedding", one.file.name)]

    def fusions(self) -> tuple[Fusion, ...]:
        """What the manifest says of the LoRAs."""
        return tuple(Fusion(one.name, one.scale, one.sha256) for one in self.loras)

    def tokenizer(self, opened: OpenedModel, written: Tokenizer, folder: Path) -> Tokenizer:
        """Add the new words to a tokenizer that was just written.

        Args:
            opened: The model.
            written: The tokenizer.
            folder: The bundle.

        Raises:
            AdapterError: A word is one that it has.
        """
        origin = opened.reader(written.path)
        tensors = opened.source.weights(origin).tensors
        table = table_of({name: one.shape for name, one in tensors.items()})
        if not self.embeddings or table is None:
            return written
        self.widths.add(table[1][1])
        chain = READERS[written.kind](folder / written.path)
        added = add_embeddings(self.embeddings, chain, table, tokenizer=written.path)
        if added is None:
            return written
        self.tables[origin] = added.change
        for digest, count in added.vectors.items():
            self.vectors.setdefault(digest, {})[origin] = count
        _write_words(folder / written.path / WHOLE, added.words, added.change)
        files = (_entry_again(entry, folder) for entry in written.files)
        return replace(written, files=tuple(files))

    def source(self, source: Source, folder: Path) -> Source:
        """The source with its weights changed; tokenizers must be written by then.

        Args:
            source: The source.
            folder: Where the changed weights are kept as long as the source is used.

        Raises:
            AdapterError: No text encoder takes an embedding.
        """
        vectors = {one.file.sha256: self.vectors.get(one.file.sha256, {}) for one in self.embeddings}
        check_used(self.embeddings, vectors, self.widths)
        if not self.changes and not self.tables:
            return source
        folder.mkdir(parents=True)

        def adapted(origin: str, weights: Weights) -> Weights:
            change, table = self.changes.get(origin), self.tables.get(origin)
            if change is None and table is None:
                return weights
            return _changed(weights, change or LoraChange(), table, folder / f"{origin}.bin")

        fields = {
            origin: {"vocab_size": _rows(source.weights(origin), table)[1]} for origin, table in self.tables.items()
        }
        return replace(source, adapted=adapted, fields=fields)


def fuse(opened: OpenedModel, loras: Loras | None, embeddings: EmbeddingFiles | None) -> Fused:
    """Find the weights of a source that LoRAs change, and read embeddings; nothing is computed yet.

    Args:
        opened: The model.
        loras: Files and scales, see ``edgediff_runtimes.adapters.lora.Loras``.
        embeddings: Files, see ``edgediff_runtimes.adapters.embeddings``.

    Raises:
        SettingError: They are no files and numbers.
        AdapterError: A file is no LoRA or no embedding, or does not fit.
    """
    words = read_embeddings(embeddings)
    if words and not opened.recipe.tokenizers:
        raise AdapterError(f"`{words[0].file.name}` is a word: expected none, because the model takes no text")
    files = [(LoraFile.open(path), scale) for path, scale in read_loras(loras)]
    if not files:
        return Fused({}, (), words)
    origins = {plan.role: plan.origin for plan in opened.plans}
    shapes = {
        origin: {name: tuple(tensor.shape) for name, tensor in opened.source.weights(origin).tensors.items()}
        for origin in dict.fromkeys(origins.values())
    }
    changes, applied = bind(files, shapes, network=origins[opened.recipe.network.role])
    warn_of_unbound(applied)
    return Fused(changes, applied, words)


def _write_words(path: Path, words: Sequence[AddedWord], change: TableChange) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    entries = ({"id": place, **asdict(word)} for place, word in zip(change.rows, words, strict=True))
    values["added_tokens"] = [*(values.get("added_tokens") or []), *entries]
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


def _entry_again(entry: FileEntry, folder: Path) -> FileEntry:
    path = folder / entry.path
    return FileEntry(entry.path, path.stat().st_size, sha256_of(path))


def _rows(weights: Weights, table: TableChange) -> tuple[str, int]:
    """The table, and how many rows it gets."""
    return table.parameter, table.length(len(weights.tensors[table.parameter]))


def _adapted(weights: Weights, change: LoraChange, table: TableChange | None) -> Iterator[tuple[str, Floats]]:
    added = () if table is None else (table.parameter,)
    for name in dict.fromkeys((*change.layers, *added)):
        values = change.adapted(name, weights.tensors[name].to(torch.float32).numpy())
        yield name, table.extended(values) if table is not None and name == table.parameter else values


def _changed(weights: Weights, change: LoraChange, table: TableChange | None, path: Path) -> Weights:
    """The tensors, of which those that change are mapped from a file that is written the first time."""
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            for _, values in _adapted(weights, change, table):
                file.write(values.data.cast("B"))
                weights.drop_pages()
        part.rename(path)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    shapes = {name: weights.tensors[name].shape for name in change.layers}
    if table is not None:
        name, count = _rows(weights, table)
        shapes[name] = torch.Size((count, weights.tensors[name].shape[1]))
    tensors, begin = dict(weights.tensors), 0
    for name, shape in shapes.items():
        count = shape.numel()
        tensors[name] = torch.frombuffer(mapped, dtype=torch.float32, count=count, offset=begin).reshape(shape)
        begin += _FLOAT_BYTES * count
    return Weights(tensors, (*weights.maps, mapped))
