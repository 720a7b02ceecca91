"""How models were laid out by those who trained them: what the tensors of a lone checkpoint are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import torch

from edgediff_runtimes.weights.original_names import OriginalNames

Tensors: TypeAlias = Mapping[str, torch.Tensor]
Config: TypeAlias = Mapping[str, Any]

UNET = "model.diffusion_model."  # before a network's names, in every layout; transformers come without it too


@final
@dataclass(frozen=True, slots=True)
class Original:
    """One component in a checkpoint.

    Attributes:
        prefix: What its tensors' names begin with; may be empty.
        mark: A pattern of the rest of a name by which it is known to be there.
        convert: Its tensors by diffusers' or transformers' names, from those by the rest of the original ones, and its
            config. Views of them, but for a few small ones.
        drops: Whether the conversion leaves out names that it does not know; else they stay as they are.
    """

    prefix: str
    mark: str
    convert: Callable[[Tensors, Config], Tensors]
    drops: bool = False

    def within(self, names: Iterable[str]) -> bool:
        """Whether it is there, by the names of a checkpoint's tensors."""
        return any(name.startswith(self.prefix) and re.fullmatch(self.mark, name[len(self.prefix) :]) for name in names)


@final
@dataclass(frozen=True, slots=True)
class Form:
    """How the checkpoints of a family are laid out.

    Attributes:
        what: The family, for people.
        parts: By component, the ways it may be laid out.
        optional: Components that a model may lack.
    """

    what: str
    parts: Mapping[str, tuple[Original, ...]]
    optional: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Layout:
    """A model whose configs are shipped.

    Attributes:
        name: Its directory.
        form: How its checkpoints are laid out.
        shapes: Tensors that tell it from others, with their shapes; None where there must be none of that name. A
            network's may stand behind ``UNET``.
        what: What it is, for people.
        stated: What a file's metadata says, one of these, where the tensors fit several; empty where they fit one.
        shared: Components whose configs it has in common with others, by the name of that directory.
    """

    name: str
    form: Form
    shapes: Mapping[str, tuple[int, ...] | None]
    what: str
    stated: tuple[str, ...] = ()
    shared: Mapping[str, str] = field(default_factory=dict)

    def fits(self, tensors: Tensors) -> bool:
        """Whether a checkpoint has the shapes."""
        return all(_shape(tensors, name) == shape for name, shape in self.shapes.items())


def _shape(tensors: Tensors, name: str) -> tuple[int, ...] | None:
    tensor = tensors.get(name, tensors.get(f"{UNET}{name}"))
    return None if tensor is None else tuple(tensor.shape)


def unchanged(tensors: Tensors, _config: Config) -> Tensors:
    """Of components that are saved by the names of the library that makes them."""
    return tensors


def convert(names: OriginalNames, tensors: Tensors, *, sizes: Callable[[int], list[int]]) -> dict[str, torch.Tensor]:
    """The tensors by their new names, views but for the swapped ones; what has no new name keeps its own.

    Args:
        names: The new names.
        tensors: By their original names.
        sizes: Rows of each part of a split layer, from how many parts there are.
    """
    converted: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        layer, dot, leaf = name.rpartition(".")
        layer, end = (layer, f".{'weight' if leaf == 'scale' else leaf}") if dot else (name, "")
        found = names.find(layer)
        if found is None:
            converted[name] = tensor
        elif found.swapped:
            converted[found.names[0] + end] = torch.cat(tensor.chunk(2)[::-1])
        elif len(found.names) == 1:
            converted[found.names[0] + end] = tensor
        else:
            for new, part in zip(found.names, torch.split(tensor, sizes(len(found.names))), strict=True):
                converted[new + end] = part
    return converted
