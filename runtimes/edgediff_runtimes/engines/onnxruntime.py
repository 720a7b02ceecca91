"""ONNX Runtime as an engine."""

from __future__ import annotations

from typing import final

from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.engines.execution import choose_execution
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.engines.onnxruntime_providers import reached, reached_by
from edgediff_runtimes.engines.onnxruntime_session import OnnxRuntimeSession, Opener
from edgediff_runtimes.errors import EngineError, SettingError
from edgediff_runtimes.precisions import precision_of


@final
class OnnxRuntimeEngine:
    """Loads ``.onnx`` graphs on the devices that the library's execution providers reach."""

    name = "onnxruntime"
    version: str = ort.__version__

    def devices(self) -> tuple[Device, ...]:
        """The CPU, then what else this installation's providers reach."""
        return tuple(one.device for one in reached())

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """A graph is computed as it was exported; see ``Engine.execution``."""
        row = reached_by(device).provider
        if options.static is not None:
            expected, hint = f"none, because `{self.name}` gains nothing by a fixed size", '`engine="openvino"` does'
            raise SettingError("static", got="{}x{}".format(*options.static), expected=expected, hint=hint)
        if row.execution is not None:
            where = f"`{self.name}` on `{row.device}`"
            return choose_execution(graph.precision, options.execution, available=(row.execution,), where=where)
        if not graph.inputs and graph.precision == "unknown":  # only the graph itself can tell
            return options.execution or "f32"
        halves = any(spec.dtype == "float16" for spec in (*graph.inputs, *graph.outputs))
        return checked("f16" if precision_of(graph.precision).half or halves else "f32", graph, options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load a graph; see ``Engine.load``."""
        self.execution(graph, device=device, options=options)
        if graph.format != "onnx":
            raise EngineError(
                f"the engine `{self.name}` cannot load `{graph.role}`: its format is `{graph.format}`, expected `onnx`"
            )
        loaded = OnnxRuntimeSession(Opener(graph, reached_by(device), options))
        checked(loaded.execution, graph, options)  # again: a derived manifest knows less than the graph
        return loaded


def checked(execution: str, graph: Graph, options: EngineOptions) -> str:
    """The execution, where the options ask for no other."""
    if options.execution not in (None, execution):
        raise SettingError(
            "execution",
            got=options.execution,
            expected=f"{execution}, because `{OnnxRuntimeEngine.name}` computes `{graph.role}` as it was exported",
            hint='`engine="openvino"` chooses what it computes in, as far as the device can',
        )
    return execution
