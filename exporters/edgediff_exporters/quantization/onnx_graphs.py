"""The quantiser of ONNX graphs. What is only stored smaller (``w16``, ``w8``, ``w4``) comes from the model alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import final

import onnx

from edgediff_exporters.counting import count_operators
from edgediff_exporters.graph_file import WrittenFile
from edgediff_exporters.openings import Opening, Places
from edgediff_exporters.passes.fix_shapes import fix_shapes
from edgediff_exporters.passes.open_graph import open_graph
from edgediff_exporters.quantization.activations import Activation
from edgediff_exporters.quantization.base import Calibration, Layer
from edgediff_exporters.quantization.onnx_int8 import observe_layers, quantise_layers
from edgediff_exporters.quantization.onnx_layers import quantisable
from edgediff_exporters.quantization.onnx_schemes import SCHEMES, Scheme
from edgediff_runtimes.bundle import OperatorCount
from edgediff_runtimes.tensors import TensorSpec


@final
class OnnxQuantiser:
    """See ``Quantiser``. It remembers what it saw of the last graph, so that a search calibrates once."""

    format = "onnx"
    precisions = tuple(SCHEMES)

    def __init__(self) -> None:
        self._seen: tuple[Path, Calibration, Scheme, dict[str, Activation]] | None = None

    def layers(self, graph: Path) -> tuple[Layer, ...]:
        """See ``Quantiser.layers``."""
        model = onnx.load(graph, load_external_data=False)
        return tuple(found.layer for found in quantisable(model, SCHEMES["int8"]))

    def inputs(self, given: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
        """See ``Quantiser.inputs``: the same."""
        return tuple(given)

    def count(self, graph: Path) -> dict[str, OperatorCount]:
        """See ``Quantiser.count``."""
        return count_operators(graph)

    def weights(self, graph: Path, written: Path) -> dict[str, str]:  # noqa: ARG002 - of the seam
        """See ``Quantiser.weights``: initialisers keep their names."""
        return {}

    def quantise(
        self, graph: Path, folder: Path, *, precision: str, feeds: Calibration | None, keep: Collection[str] = ()
    ) -> tuple[WrittenFile, ...]:
        """See ``Quantiser.quantise``."""
        if feeds is None:
            raise ValueError(f"`{precision}` needs calls to calibrate with")
        scheme = SCHEMES[precision]
        if self._seen is None or self._seen[0] != graph or self._seen[1] is not feeds or self._seen[2] != scheme:
            self._seen = graph, feeds, scheme, observe_layers(graph, feeds, scheme)
        return quantise_layers(graph, folder, self._seen[3], keep, scheme)

    def open_graph(
        self, graph: Path, folder: Path, openings: Sequence[Opening], *, places: Places, half: bool
    ) -> tuple[WrittenFile, ...]:
        """See ``Quantiser.open_graph``."""
        return (open_graph(graph, folder, openings, places=places, half=half),)

    def fix(
        self, graph: Path, inputs: Sequence[TensorSpec], asked: Mapping[str, Mapping[str, int]]
    ) -> tuple[WrittenFile, ...]:
        """See ``Quantiser.fix``."""
        return fix_shapes(graph, inputs, asked)
