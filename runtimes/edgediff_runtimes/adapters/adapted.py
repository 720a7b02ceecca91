"""A bundle with LoRAs and new words: what each of its components gets, found without loading any of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

from edgediff_runtimes.adapters.embeddings import (
    AppliedEmbedding,
    EmbeddingFile,
    EmbeddingFiles,
    TableChange,
    add_embeddings,
    check_used,
    read_embeddings,
    table_of,
)
from edgediff_runtimes.adapters.file import fingerprint_of
from edgediff_runtimes.adapters.lora import AppliedLora, LoraChange, LoraFile, Loras, bind, read_loras
from edgediff_runtimes.adapters.names import component_of
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import AdapterError
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Tokens
from edgediff_runtimes.tensors import Array
from edgediff_runtimes.text import READERS, Encoder, RowEncoder
from edgediff_runtimes.weights import StoredWeights, WeightChange
from edgediff_runtimes.weights.reading import stored_weights


@final
@dataclass(frozen=True, slots=True)
class Both:
    """LoRAs and new words of one text encoder; see ``weights.WeightChange``.

    Attributes:
        lora: The LoRAs.
        table: The new words. Where a LoRA changes the table as well, it changes the words that the model has.
    """

    lora: LoraChange
    table: TableChange

    @property
    def fingerprint(self) -> str:
        """See ``WeightChange.fingerprint``."""
        return fingerprint_of(self.lora.fingerprint, self.table.fingerprint)

    def tensors(self, stored: StoredWeights) -> Iterator[tuple[str, Array]]:
        """See ``WeightChange.tensors``."""
        for name in self.lora.layers:
            values = self.lora.adapted(name, stored[name].read())
            if name == self.table.parameter:
                values = self.table.extended(values)
            yield from stored[name].write_changed(values).items()
        if self.table.parameter not in self.lora.layers:
            yield from self.table.tensors(stored)


@final
@dataclass(frozen=True, slots=True)
class Adapted:
    """What is done to a bundle.

    Attributes:
        changes: To the weights of its components, by role.
        loras: What was bound of each LoRA.
        embeddings: What was added of each embedding.
        tokenizers: Those with new words, in place of the bundle's own.
    """

    changes: Mapping[str, WeightChange] = field(default_factory=dict)
    loras: tuple[AppliedLora, ...] = ()
    embeddings: tuple[AppliedEmbedding, ...] = ()
    tokenizers: Mapping[str, Encoder] = field(default_factory=dict)


def adapt(bundle: Bundle, loras: Loras | None, embeddings: EmbeddingFiles | None = None) -> Adapted:
    """Bind LoRAs to the components of a bundle, and add words to its tokenizers.

    Args:
        bundle: The bundle.
        loras: Files and scales, see ``lora.Loras``.
        embeddings: Files, see ``embeddings``.

    Raises:
        SettingError: They are no files and numbers.
        AdapterError: A file is no LoRA or no embedding, or does not fit.
        BundleError: A graph cannot be read.
    """
    changes, applied = _bound(bundle, [(LoraFile.open(path), scale) for path, scale in read_loras(loras)])
    words, tables, tokenizers = _with_words(bundle, read_embeddings(embeddings))
    both: dict[str, WeightChange] = {**changes, **tables}
    both.update({role: Both(changes[role], tables[role]) for role in changes.keys() & tables.keys()})
    return Adapted(both, applied, words, tokenizers)


def _bound(
    bundle: Bundle, opened: list[tuple[LoraFile, float]]
) -> tuple[dict[str, LoraChange], tuple[AppliedLora, ...]]:
    if not opened:
        return {}, ()
    components = bundle.manifest.components
    network = bundle.manifest.recipe.network.role
    named = {component_of(layer, components)[0] or network for lora, _ in opened for layer in lora.layers}
    graphs = {role: bundle.graph(role) for role in components if role in named}
    shapes = {role: {name: one.shape for name, one in stored_weights(graph).items()} for role, graph in graphs.items()}
    for role, known in shapes.items():
        if not any(name.endswith(".weight") and len(shape) > 1 for name, shape in known.items()):
            raise AdapterError(
                f"the graph of `{role}` does not tell which of its tensors is which parameter: expected their names",
                hint="export the bundle again",
            )
    changes, applied = bind(opened, shapes, network=network)
    warn_of_unbound(applied)
    return changes, applied


def _with_words(
    bundle: Bundle, opened: list[EmbeddingFile]
) -> tuple[tuple[AppliedEmbedding, ...], dict[str, TableChange], dict[str, Encoder]]:
    if not opened:
        return (), {}, {}
    tables: dict[str, TableChange] = {}
    widths: set[int] = set()
    tokenizers: dict[str, Encoder] = {}
    vectors: dict[str, dict[str, int]] = {one.file.sha256: {} for one in opened}
    for tokenizer, role in _readers(bundle.manifest.recipe):
        entry = next(one for one in bundle.manifest.tokenizers if one.path == tokenizer)
        table = table_of({name: one.shape for name, one in stored_weights(bundle.graph(role)).items()})
        if table is None:
            continue
        widths.add(table[1][1])
        chain = READERS[entry.kind](bundle.locate(tokenizer))
        added = add_embeddings(opened, chain, table, tokenizer=tokenizer)
        if added is None:
            continue
        tables[role], tokenizers[tokenizer] = added.change, RowEncoder(added.chain, max_tokens=entry.max_tokens)
        for digest, count in added.vectors.items():
            vectors[digest][role] = count
    check_used(opened, vectors, widths)
    words = (AppliedEmbedding(one.file.name, one.file.sha256, one.word, vectors[one.file.sha256]) for one in opened)
    return tuple(words), tables, tokenizers


def _readers(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Every tokenizer, and the component that is fed its ids."""
    parts = ((stage.name, part) for stage in recipe.stages for part in stage.given if isinstance(part, Tokens))
    ids = {(stage, part.ids): part.tokenizer for stage, part in parts}
    found = {
        (ids[use.stage, name], use.role)
        for use in recipe.graphs()
        for name in use.feeds.values()
        if (use.stage, name) in ids
    }
    yield from sorted(found)


def warn_of_unbound(applied: Iterable[AppliedLora]) -> None:
    """Say which LoRAs have layers that the model has not."""
    for one in applied:
        if one.unbound:
            total = one.unbound + sum(one.layers.values())
            warnings.warn(
                f"{one.unbound} of the {total} layers of `{one.name}` are of no layer of this model and were left out",
                stacklevel=4,
            )
