"""The quantiser of OpenVINO graphs (IR): every precision, from the fp32 ONNX graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import final

from edgediff_exporters.graph_file import WrittenFile
from edgediff_exporters.openings import Opening, Places
from edgediff_exporters.quantization.base import Calibration, Layer
from edgediff_exporters.quantization.openvino_counting import count_operators
from edgediff_exporters.quantization.openvino_fixing import fix_shapes
from edgediff_exporters.quantization.openvino_int8 import quantise_layers
from edgediff_exporters.quantization.openvino_layers import end_convolutions, quantisable
from edgediff_exporters.quantization.openvino_lifting import lift
from edgediff_exporters.quantization.openvino_model import name_by_place, read_graph, widened, write_model
from edgediff_exporters.quantization.openvino_names import operations_of_weights
from edgediff_exporters.quantization.openvino_openings import open_graph
from edgediff_exporters.quantization.openvino_weights import compress_w4, compress_w8
from edgediff_runtimes.bundle import OperatorCount
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.tensors import TensorSpec


@final
class OpenVinoQuantiser:
    """See ``Quantiser``. It remembers the last graph in int8, so that a search calibrates once.

    ``fp16``, ``bf16`` and ``w16`` are one file: weights in float16. What it is computed in is the engine's matter,
    which reads the precision in the manifest.
    """

    format = "openvino"
    precisions = ("fp32", "fp16", "bf16", "w16", "w8", "w4", "int8", "mixed")

    def __init__(self) -> None:
        self._int8: tuple[Path, Calibration, ov.Model] | None = None

    def layers(self, graph: Path) -> tuple[Layer, ...]:
        """See ``Quantiser.layers``."""
        return quantisable(read_graph(graph, halve=False))

    def inputs(self, given: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
        """See ``Quantiser.inputs``: whole numbers, a U-Net's time step among them, of 64 bits."""
        return widened(given)

    def count(self, graph: Path) -> dict[str, OperatorCount]:
        """See ``Quantiser.count``."""
        return count_operators(graph)

    def weights(self, graph: Path, written: Path) -> dict[str, str]:
        """See ``Quantiser.weights``."""
        return operations_of_weights(graph, written)

    def quantise(
        self, graph: Path, folder: Path, *, precision: str, feeds: Calibration | None, keep: Collection[str] = ()
    ) -> tuple[WrittenFile, ...]:
        """See ``Quantiser.quantise``."""
        match precision:
            case "w8":
                model = read_graph(graph, halve=True)
                model = compress_w8(model, keep=end_convolutions(model))
            case "w4":
                model = compress_w4(read_graph(graph, halve=True))
            case "int8" | "mixed":
                if feeds is None:
                    raise ValueError(f"`{precision}` needs calls to calibrate with")
                model = self._in_int8(graph, feeds, keep)
            case _:
                model = read_graph(graph, halve=precision != "fp32")
        return write_model(model, folder, precision=precision)

    def open_graph(
        self, graph: Path, folder: Path, openings: Sequence[Opening], *, places: Places, half: bool
    ) -> tuple[WrittenFile, ...]:
        """See ``Quantiser.open_graph``; what its arrays are is looked up in the graph."""
        del half
        return open_graph(graph, folder, openings, places=places)

    def fix(
        self, graph: Path, inputs: Sequence[TensorSpec], asked: Mapping[str, Mapping[str, int]]
    ) -> tuple[WrittenFile, ...]:
        """See ``Quantiser.fix``."""
        return fix_shapes(graph, inputs, asked)

    def _in_int8(self, graph: Path, feeds: Calibration, keep: Collection[str]) -> ov.Model:
        if self._int8 is None or self._int8[0] != graph or self._int8[1] is not feeds:
            self._int8 = None  # before the next one takes memory
            model = quantise_layers(read_graph(graph, halve=True), feeds)
            name_by_place(model, "quantised")  # a clone takes names over, also those that were made up
            self._int8 = graph, feeds, model
        original = read_graph(graph, halve=True)
        model = self._int8[2].clone()
        lift(model, original, keep)
        return compress_w8(model, keep={*keep, *end_convolutions(original)})
