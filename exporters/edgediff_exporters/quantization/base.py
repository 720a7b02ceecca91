"""The seam of quantisation: an fp32 ONNX graph in, a graph of another precision and format out.

Every precision that needs more than the weights alone is made from the graph of the fp32 bundle, so that all formats
start from one thing that was checked, and calibration feeds fit all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, final

from edgediff_exporters.graph_file import WrittenFile
from edgediff_exporters.openings import Opening, Places
from edgediff_runtimes.bundle import OperatorCount
from edgediff_runtimes.tensors import Array, TensorSpec

Feeds: TypeAlias = dict[str, Array]


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """An operation with weights that can be quantised or left in float.

    Attributes:
        name: The node's name in the graph.
        op: What it is in the graph's own words (``Conv``, ``MatMul``, ``Gemm``; ``Convolution`` in OpenVINO's).
        shape: Of its weights, as they are stored.
        elements: Of its weights.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    elements: int


class Calibration(Protocol):
    """Recorded calls of a component. They lie on the disk: each is in memory only while it is looked at."""

    def __len__(self) -> int:
        """How many calls."""

    def __iter__(self) -> Iterator[Feeds]:
        """The inputs of each call by name, the same ones in the same order however often it is gone through."""


class Quantiser(Protocol):
    """Writes graphs of one format."""

    @property
    def format(self) -> str:
        """The format it writes: ``onnx`` or ``openvino``."""

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that it can make from an fp32 ONNX graph, in words of ``precision``."""

    def layers(self, graph: Path) -> tuple[Layer, ...]:
        """The layers that ``int8`` quantises, in the order of the graph.

        Not among them: products of two activations, and what is computed from the time step alone.
        """

    def inputs(self, given: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
        """What a written graph takes, where the fp32 ONNX graph takes ``given``."""

    def count(self, graph: Path) -> dict[str, OperatorCount]:
        """How much of a written graph is quantised, by operator type, counted in the graph itself."""

    def weights(self, graph: Path, written: Path) -> dict[str, str]:
        """The operation that reads each parameter whose name a written graph lost, see the manifest's ``weights``.

        Args:
            graph: The fp32 ONNX graph.
            written: The graph that was made of it.
        """

    def quantise(
        self, graph: Path, folder: Path, *, precision: str, feeds: Calibration | None, keep: Collection[str] = ()
    ) -> tuple[WrittenFile, ...]:
        """Write the graph in a precision.

        Args:
            graph: An fp32 ONNX graph. Its weights may lie in a file beside it and be larger than 2 GB.
            folder: Where to; it exists. No file of the graph's name is there.
            precision: One of ``precisions``; ``mixed`` is ``int8`` with ``keep``.
            feeds: Calls to calibrate with; needed by ``int8``, not looked at by others.
            keep: Names of layers that stay in float.

        Returns:
            The files written, the graph's own first.
        """

    def open_graph(
        self, graph: Path, folder: Path, openings: Sequence[Opening], *, places: Places, half: bool
    ) -> tuple[WrittenFile, ...]:
        """Write a network's graph of this format, whatever its precision, with more inputs.

        See ``passes.open_graph``; a file of weights that need not change is not written.
        """

    def fix(
        self, graph: Path, inputs: Sequence[TensorSpec], asked: Mapping[str, Mapping[str, int]]
    ) -> tuple[WrittenFile, ...]:
        """Write a graph of this format anew for each of several lengths of its axes, see ``passes.fix_shapes``."""
