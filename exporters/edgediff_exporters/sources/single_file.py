"""One ``.safetensors`` checkpoint as those who trained the model lay it out, as a source.

Such a file holds weights and nothing else: no configs and no tokenizer. Those come from a directory in diffusers'
layout: one that the user names, or one of ours (``layouts``) where the tensors tell which model it is. Its tensors are
renamed and split (``originals``) on views of the mapped file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch

from edgediff_exporters.leftovers import find_addition
from edgediff_exporters.safetensors_file import read_metadata
from edgediff_exporters.scaled import place_in_memory
from edgediff_exporters.sources.base import Source, tokenizer_of
from edgediff_exporters.sources.files import reading_as_bundle, refusing_oddities
from edgediff_exporters.sources.layouts import described_by, recognise
from edgediff_exporters.sources.originals import FORMS, KNOWN, Form
from edgediff_exporters.sources.originals.base import Original
from edgediff_exporters.weights import Weights, map_weights
from edgediff_runtimes.errors import SourceError, shown
from edgediff_runtimes.families import family_of


def open_checkpoint(path: Path, described: Source | None) -> Source:
    """Open a checkpoint.

    Args:
        path: The file.
        described: A source of the same architecture, whose weights are not read; None to find out from the
            checkpoint's tensors.

    Raises:
        SourceError: The file is damaged or of another layout, or does not tell which model it is.
    """
    tensors = map_weights([path]).tensors
    _refuse_additions_alone(path, tensors)
    if described is None:
        layout = recognise(tensors, read_metadata(path), name=path.name)
        form, described = layout.form, described_by(layout)
    else:
        form = _form_of(described)
    there = {origin: one for origin, one in _parts_of(form, tensors).items() if _named(described.index, origin)}
    if not there:
        marks = " or ".join(f"`{one.prefix}...`" for ways in form.parts.values() for one in ways[:1] if one.prefix)
        raise SourceError(
            f"`{path.name}` holds nothing in the layout of {form.what}: expected tensors {marks}",
            hint="load it with diffusers' `from_single_file`, and export what `save_pretrained` writes",
        )
    index = {**described.index}
    for origin in form.optional:
        if origin not in there and origin in described.shared:  # the text encoder, and its tokenizer
            index |= {name: [None, None] for name in (origin, tokenizer_of(origin)) if name is not None}
    checkpoint = _Checkpoint(path, described, there)
    return replace(
        described,
        name=path.name,
        index=index,
        own_weights=checkpoint.weights,
        files=(path,),
        unread=checkpoint.unread(tensors),
        shared={origin: place for origin, place in described.shared.items() if _named(index, origin)},
        missing=_missing(replace(described, index=index), form, there),
    )


@final
@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """A file, what describes it, and how the components that are in it are laid out."""

    path: Path
    described: Source
    there: Mapping[str, Original]

    def weights(self, origin: str) -> Weights:
        if origin not in self.there:
            raise SourceError(f"`{self.path.name}` holds no `{origin}`")
        weights = map_weights([self.path])
        return Weights(self._convert(weights.tensors, origin), weights.maps)

    def unread(self, tensors: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
        """Names of tensors that are in no component, or that the conversion of theirs leaves out."""
        unread = [name for name in tensors if self._origin(name) is None]
        for origin, original in self.there.items():
            if original.drops:
                kept = {place_in_memory(tensor) for tensor in self._convert(tensors, origin).values()}
                own = [name for name in tensors if self._origin(name) == origin]
                unread += [name for name in own if place_in_memory(tensors[name]) not in kept]
        return tuple(unread)

    def _origin(self, name: str) -> str | None:
        """The component that a tensor belongs to; one without a prefix has what no other one has."""
        fitting = [origin for origin, original in self.there.items() if name.startswith(original.prefix)]
        return max(fitting, key=lambda origin: len(self.there[origin].prefix), default=None)

    def _convert(self, tensors: Mapping[str, torch.Tensor], origin: str) -> Mapping[str, torch.Tensor]:
        """The tensors of one component by diffusers' names."""
        original, config = self.there[origin], self.described.config(origin)
        start = len(original.prefix)
        part = {name[start:]: tensor for name, tensor in tensors.items() if self._origin(name) == origin}
        with refusing_oddities(f"`{origin}/config.json` of `{self.described.name}`, with these tensors,"):
            return original.convert(part, config)


def _form_of(described: Source) -> Form:
    with reading_as_bundle(f"`{described.name}` describes no checkpoint: "):
        name = family_of(described.index["_class_name"]).name
    if name not in FORMS:
        known = ", ".join(form.what for form in FORMS.values())
        raise SourceError(
            f"`{described.name}` describes a model of the family `{name}`, whose checkpoints are not read: expected "
            f"one of {known}",
            hint="load it with diffusers' `from_single_file`, and export what `save_pretrained` writes",
        )
    return FORMS[name]


def _parts_of(form: Form, tensors: Mapping[str, torch.Tensor]) -> dict[str, Original]:
    """The components in a checkpoint, each with the way that it is laid out."""
    found = {origin: next((one for one in ways if one.within(tensors)), None) for origin, ways in form.parts.items()}
    return {origin: original for origin, original in found.items() if original is not None}


def _named(index: Mapping[str, Any], origin: str) -> bool:
    entry = index.get(origin)
    return isinstance(entry, list) and any(part is not None for part in entry)


def _missing(described: Source, form: Form, there: Mapping[str, Original]) -> tuple[str, ...]:
    """Components that the model has and that are neither in the checkpoint nor in what describes it."""
    named = [name for name in described.index if _named(described.index, name)]
    weights = [name for name in named if name in form.parts and name not in there]
    texts = [name for name in named if name.startswith("tokenizer")]
    return (*weights, *(name for name in texts if described.find(f"{name}/tokenizer_config.json") is None))


def _refuse_additions_alone(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    addition = find_addition(tensors)
    if addition is not None and not any(_parts_of(layout.form, tensors) for layout in KNOWN):
        raise SourceError(
            f"`{path.name}` holds {addition.what} (`{shown(addition.name)}`) and no model: expected a whole model",
            hint=addition.hint,
        )
