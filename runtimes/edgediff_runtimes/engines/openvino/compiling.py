"""How a graph becomes a compiled model: once, again after a cancelled run, or for each shape it is called with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, final

from edgediff_runtimes.compiled_cache import CompiledCache, files_beside
from edgediff_runtimes.engines.base import Graph
from edgediff_runtimes.engines.execution import EXECUTIONS
from edgediff_runtimes.engines.openvino.devices import Place
from edgediff_runtimes.engines.openvino.failures import failure
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.engines.openvino.reading import read_model, shares_weights, weights_of
from edgediff_runtimes.engines.openvino.weights import changed
from edgediff_runtimes.errors import EdgediffError

Shapes: TypeAlias = tuple[tuple[int, ...], ...]

# (format, device) whose cached blobs can do without the weights and take them from the graph's own file: as fast to
# load and far smaller (benchmarks/README.md has figures). An ONNX graph cached so is compiled again every time.
_WEIGHTLESS = {("openvino", "CPU")}


@final
@dataclass(frozen=True, slots=True)
class Compiler:
    """A graph, and all that its compilation depends on.

    Attributes:
        core: The library.
        graph: What is compiled.
        place: What for.
        execution: What floats are to be computed in.
        properties: What it is compiled with.
        cache: Keeps what was compiled.
    """

    core: ov.Core
    graph: Graph
    place: Place
    execution: str
    properties: dict[str, Any]
    cache: CompiledCache

    def read(self) -> ov.Model:
        """The graph of its file, see ``widened`` and ``narrowed``, with other weights where it gets them.

        Raises:
            EngineError: It cannot be read.
            AdapterError: Other weights do not fit.
        """
        try:
            return self._read()[0]
        except EdgediffError:
            raise
        except Exception as error:  # RuntimeError today; what it may raise is not documented
            raise failure(f"cannot load `{self.graph.role}`", error) from error

    def compile(self, shapes: Shapes | None = None) -> ov.CompiledModel:
        """The graph, compiled; or taken from the cache.

        Args:
            shapes: The shape of every input where they are fixed, with -1 for an axis of any length; else None.

        Raises:
            EngineError: It cannot be compiled.
        """
        about = {
            "role": self.graph.role,
            "graph": str(self.graph.path),
            "engine": "openvino",
            "device": self.place.device.name,
            "execution": self.execution,
            "shapes": shapes,
        }
        if self.graph.change is not None:
            # Not kept: what was compiled holds all weights then, and a scale that is tried out once takes their room.
            return self._build(shapes, None)
        files = files_beside(self.graph.path)
        depends_on = [
            about,
            ov.__version__,
            [self.core.get_property(member, "FULL_DEVICE_NAME") for member in self.place.members],
            self.properties,
            files,
        ]
        name = hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()[:32]
        expected = 0 if self._weightless() else sum(size for _, size, _ in files)
        return self.cache.compiled(name, about, partial(self._build, shapes), expected_bytes=expected)

    def computed_in(self, compiled: ov.CompiledModel) -> str:
        """What a compiled graph computes floats in, as far as OpenVINO tells: AUTO does not."""
        if self.place.members != (self.place.target,):
            return self.execution
        hint = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        return hint if hint in EXECUTIONS else self.execution

    def threads(self, compiled: ov.CompiledModel) -> int | None:
        """How many threads of the processor compute a compiled graph; None on other devices, and where AUTO chooses."""
        if self.place.target != "CPU":
            return None
        return int(compiled.get_property("INFERENCE_NUM_THREADS"))

    def _build(self, shapes: Shapes | None, folder: Path | None) -> ov.CompiledModel:
        properties = dict(self.properties)
        if folder is not None:
            properties["CACHE_DIR"] = str(folder)
            properties["CACHE_MODE"] = "OPTIMIZE_SIZE" if self._weightless() else "OPTIMIZE_SPEED"
        try:
            if shapes is None and not self._may_be_changed() and not shares_weights(self.graph.path):
                return self.core.compile_model(self.graph.path, self.place.target, properties)
            model, changed = self._read()
            if shapes is not None:
                model.reshape({port: ov.PartialShape(shape) for port, shape in zip(model.inputs, shapes, strict=True)})
            elif not changed and not shares_weights(
                self.graph.path
            ):  # by its path, so that the cache need not read the weights to know it again
                return self.core.compile_model(self.graph.path, self.place.target, properties)
            if self._weightless() and folder is not None:
                properties["WEIGHTS_PATH"] = str(weights_of(self.graph.path))
            return self.core.compile_model(model, self.place.target, properties)
        except EdgediffError:
            raise
        except Exception as error:  # RuntimeError today; what it may raise is not documented
            raise failure(f"cannot load `{self.graph.role}` for `{self.place.device.name}`", error) from error

    def _read(self) -> tuple[ov.Model, bool]:
        model = read_model(self.core, self.graph.path)
        if self.graph.change is not None:
            changed(model, self.graph, self.graph.change)
        mended = self.graph.format == "openvino" and any([widened(model), narrowed(model)])
        return model, mended or self.graph.change is not None

    def _may_be_changed(self) -> bool:
        """Whether there may be something to widen or to narrow, or weights to change.

        What edgediff wrote was narrowed then; where it takes floats alone, there is nothing to widen either.
        """
        if self.graph.change is not None:
            return True
        declared = self.graph.inputs
        return self.graph.format == "openvino" and not (declared and all("float" in spec.dtype for spec in declared))

    def _weightless(self) -> bool:
        return (self.graph.format, self.place.target) in _WEIGHTLESS


def widened(model: ov.Model) -> bool:
    """Let a graph take floats where it takes whole numbers only to convert them; whether it had such an input.

    OpenVINO's own pipelines feed time steps as whole numbers, so graphs that are made for them take those; many
    samplers have steps between two of them.
    """
    found = False
    for parameter in model.get_parameters():
        readers = [reader.get_node() for reader in parameter.output(0).get_target_inputs()]
        kinds = {reader.get_output_element_type(0) for reader in readers if reader.get_type_name() == "Convert"}
        if (
            parameter.get_element_type().is_integral()
            and len(kinds) == 1
            and all(reader.get_type_name() == "Convert" for reader in readers)
            and (kind := kinds.pop()).is_real()
        ):
            parameter.set_element_type(kind)
            found = True
    if found:
        model.validate_nodes_and_infer_types()
    return found


def narrowed(model: ov.Model) -> bool:
    """Bring constants beyond 32 bits, such as open ends of slices, to the largest that 32 bits hold; whether one was.

    OpenVINO does so itself when it compiles a graph, but not where it takes the constants of a cached graph from its
    file: it cuts their upper half off, and the largest of 64 bits becomes -1 (seen with OpenVINO 2026.4).
    """
    found = False
    least, most = -(2**31), 2**31 - 1
    for node in model.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.i64:
            continue
        values = node.get_data()
        if values.size and (values.min() < least or values.max() > most):
            within = ov.opset13.constant(values.clip(least, most), dtype=ov.Type.i64)
            for reader in node.output(0).get_target_inputs():
                reader.replace_source_output(within.output(0))
            found = True
    return found
