"""What a target declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, final

from edgediff_exporters.progress import OnProgress
from edgediff_runtimes.bundle import Component, Manifest

if TYPE_CHECKING:  # a request is looked at before PyTorch is imported
    from edgediff_exporters.families import ComponentPlan
    from edgediff_exporters.sources.base import Source

Axes: TypeAlias = dict[str, int]
# Given the components and the precision of each: raises ``SettingError`` where the target cannot have one so.
Admit: TypeAlias = "Callable[[Sequence[ComponentPlan], Mapping[str, str]], None]"


@final
@dataclass(frozen=True, slots=True)
class Modules:
    """What a bundle's graphs are of: the weights, and how each component's module is built and called."""

    source: Source
    plans: Sequence[ComponentPlan]


# From the bundle's directory, its manifest, whose graphs are of fixed shapes, and what they are of, to the manifest of
# what is there then.
Finish: TypeAlias = Callable[[Path, Manifest, Modules, OnProgress], Manifest]


def _any(_plans: Sequence[ComponentPlan], _precisions: Mapping[str, str]) -> None:
    pass


def _as_it_is(_folder: Path, manifest: Manifest, _modules: Modules, _on_progress: OnProgress) -> Manifest:
    return manifest


class Write(Protocol):
    """Writes a component straight from the model."""

    def __call__(
        self,
        source: Source,
        plan: ComponentPlan,
        open_: Component,
        folder: Path,
        *,
        precision: str,
        asked: Mapping[str, Axes],
        on_progress: OnProgress,
    ) -> Component:
        """Write a graph for each set of lengths.

        Args:
            source: The model.
            plan: The component.
            open_: What it is as a graph in ONNX that takes any shape; of its outputs those that the recipe takes.
            folder: The bundle's; the component's own is made in it.
            precision: One of the target's.
            asked: The length of every named axis of the inputs, by what is behind ``model`` in the graph's name.
            on_progress: Told every step.
        """


@final
@dataclass(frozen=True, slots=True)
class Target:
    """A kind of processor that graphs of fixed shapes are written for.

    Attributes:
        name: What a user calls it.
        processor: What it is, for sentences.
        format: The format of its graphs.
        precisions: What its graphs may be in; the first is taken where nothing is asked for.
        verified: How we know that it computes what the processor of a computer does.
        check: Raises an ``EdgediffError`` where what writes its graphs is not installed.
        admit: Raises ``SettingError`` where a component cannot be had in its precision.
        time_outside: The sines and cosines of a time step are computed by the recipe, and its graphs take them, see
            ``host_time``.
        writer: Imports what writes a component for it straight from the model; None: graphs of its format that take any
            shape are written anew.
        finish: What is made of the graphs of fixed shapes: files that the target reads.
        tools: Packages that make them.
    """

    name: str
    processor: str
    format: str
    precisions: tuple[str, ...]
    verified: str
    check: Callable[[], None] = lambda: None
    admit: Admit = _any
    time_outside: bool = False
    writer: Callable[[], Write] | None = None
    finish: Finish = _as_it_is
    tools: tuple[str, ...] = ()
