"""What a model family declares: its components, and for each the module, the named tensors and the shapes to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, final

import torch

from edgediff_runtimes.precisions import PRECISIONS

Config: TypeAlias = dict[str, Any]
Outputs: TypeAlias = "tuple[torch.Tensor, ...]"

# The usual ones; a family whose graphs need others says why.
TOLERANCES: Mapping[str, float] = {name: row.tolerance for name, row in PRECISIONS.items() if row.tolerance is not None}


@final
@dataclass(frozen=True, slots=True)
class GraphInput:
    """One input of a graph.

    Attributes:
        name: Its name in the graph.
        dtype: What the graph takes. Floating inputs are float32 at every precision; the graph itself converts.
        shape: One entry per axis: its fixed length, or the name of a dynamic axis. Axes of one name have one length.
        below: Whole numbers are drawn from [0, below) when the graph is checked, also where the graph takes floats.
        scale: Floating numbers are drawn from a normal distribution of this deviation, and made positive for
            ``timestep``-like inputs by ``positive``.
        positive: Draw from [0, scale) uniformly instead.
        exact: It stays float32 where the graph computes in float16: pixels, say, which half precision would round.
        padding: It is a mask over texts, ones and then zeros; ``either``: every second row has the zeros first.
    """

    name: str
    dtype: torch.dtype
    shape: tuple[int | str, ...]
    below: int = 0
    scale: float = 1.0
    positive: bool = False
    exact: bool = False
    padding: Literal["", "right", "either"] = ""

    def sizes(self, lengths: Mapping[str, int]) -> tuple[int, ...]:
        """The shape with its dynamic axes filled in."""
        return tuple(lengths[axis] if isinstance(axis, str) else axis for axis in self.shape)

    def draw(self, lengths: Mapping[str, int], generator: torch.Generator) -> torch.Tensor:
        """A random value of that input."""
        sizes = self.sizes(lengths)
        if self.padding:
            return _mask(sizes, generator, side=self.padding).to(self.dtype)
        if self.below:
            return torch.randint(0, self.below, sizes, generator=generator, dtype=self.dtype)
        draw = torch.rand if self.positive else torch.randn
        return draw(sizes, generator=generator, dtype=self.dtype) * self.scale


@final
@dataclass(frozen=True, slots=True)
class Sines:
    """A ``Timesteps`` of diffusers, which makes sines and cosines of numbers, in a module.

    Attributes:
        name: How its name in the module ends; there may be several of that name.
        inputs: Inputs of the graph, of whose numbers it is asked for them, in order, each time the module is called.
            One that the graph has not is left out. Nothing else reads these inputs.
        factor: What the module multiplies the numbers by beforehand.
    """

    name: str
    inputs: tuple[str, ...]
    factor: float = 1.0


@final
@dataclass(frozen=True, slots=True)
class ComponentPlan:
    """How one component becomes one graph.

    Attributes:
        role: Its directory in the bundle.
        origin: Its directory in the source (two roles may share one: a VAE is two graphs).
        build: Makes the module from its config. Called where parameters take no memory.
        forward: Calls the module with the inputs in order and returns the outputs in order.
        inputs: What the graph takes.
        outputs: Names of what it gives.
        traced: Lengths of the dynamic axes to trace with. None may be 1 or equal to another axis's length by accident.
        checked: Other lengths, all different, to check with.
        tolerances: Largest allowed max |graph - module| / max |module|, by precision.
        rename: The module's name for a tensor, from its name in the file.
        single: Names of layers, without what they are part of, that stay in float32 where the graph computes in
            float16: their sums go beyond its range.
        sines: What can be computed in front of it in place of inside, see ``host_time``.
    """

    role: str
    origin: str
    build: Callable[[Config], torch.nn.Module]
    forward: Callable[..., Outputs]
    inputs: tuple[GraphInput, ...]
    outputs: tuple[str, ...]
    traced: Mapping[str, int]
    checked: Mapping[str, int]
    tolerances: Mapping[str, float] = field(default_factory=lambda: TOLERANCES)
    rename: Callable[[str], str] = field(default=lambda name: name)
    single: tuple[str, ...] = ()
    sines: tuple[Sines, ...] = ()


def called_by_name(inputs: Sequence[GraphInput]) -> Callable[..., Outputs]:
    """A plan's ``forward`` for a module whose arguments have the names of the graph's inputs."""

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        named = {item.name: tensor for item, tensor in zip(inputs, tensors, strict=True)}
        out: Outputs = module(**named, return_dict=False)
        return out

    return forward


def _mask(sizes: tuple[int, ...], generator: torch.Generator, *, side: Literal["right", "either"]) -> torch.Tensor:
    """Ones for a random number of tokens, at least one, in each row; padding at the right or in turns."""
    rows, length = sizes
    mask = torch.arange(length) < torch.randint(1, length + 1, (rows, 1), generator=generator)
    if side == "either":
        mask[1::2] = mask[1::2].flip(1)
    return mask
