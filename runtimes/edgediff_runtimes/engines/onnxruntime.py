"""ONNX Runtime as an engine.

Settings below that are not the library's defaults were chosen by measurement; ``benchmarks/engine_settings.py`` repeats
it and ``benchmarks/README.md`` has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.engines.forking import HomeProcess, keep_in_forks
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.errors import Cancelled, DeviceError, EngineError, SettingError
from edgediff_runtimes.precisions import precision_of
from edgediff_runtimes.tensors import Array, TensorSpec

# ONNX Runtime's type strings and the NumPy dtypes they stand for.
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
}
# What becomes of int8 weights that are multiplied in float32. Left to itself the library multiplies matrices with
# activations that it rounds to int8, which nobody asked for: the first entry ends that, and all weights are widened
# once, at load. To save memory the second leaves them as they are, and each is widened in front of its use: 0.44 GB
# private for the 2.6 GB of Stable Diffusion XL's U-Net, where the library's own products of int8 took 3.2 GB and 1.6
# times as long.
_INT8_WIDENED = (("session.disable_quant_qdq", "1"),)
_INT8_KEPT = (*_INT8_WIDENED, ("optimization.disable_specified_optimizers", "ConstantFolding"))
_FATAL_ONLY = 4  # the library's severity: its errors are raised here, and it would print a cancelled run as an error


@final
class OnnxRuntimeEngine:
    """Loads ``.onnx`` graphs on the CPU."""

    name = "onnxruntime"
    version: str = ort.__version__

    def devices(self) -> tuple[Device, ...]:
        """The CPU: the only device this engine is tested on."""
        return (Device("cpu", "CPUExecutionProvider"),)

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """A graph is computed as it was exported; see ``Engine.execution``."""
        if device not in ("auto", "cpu"):
            raise DeviceError(device, available=[d.name for d in self.devices()])
        if options.static is not None:
            expected, hint = f"none, because `{self.name}` gains nothing by a fixed size", '`engine="openvino"` does'
            raise SettingError("static", got="{}x{}".format(*options.static), expected=expected, hint=hint)
        if not graph.inputs and graph.precision == "unknown":  # only the graph itself can tell
            return options.execution or "f32"
        halves = any(spec.dtype == "float16" for spec in (*graph.inputs, *graph.outputs))
        return _checked("f16" if precision_of(graph.precision).half or halves else "f32", graph, options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load a graph; see ``Engine.load``."""
        self.execution(graph, device=device, options=options)
        if graph.format != "onnx":
            raise EngineError(
                f"the engine `{self.name}` cannot load `{graph.role}`: its format is `{graph.format}`, expected `onnx`"
            )
        try:
            session = ort.InferenceSession(
                str(graph.path),
                sess_options=session_options(graph.precision, options),
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # its exceptions share no base class but Exception
            raise failed(f"ONNX Runtime cannot load `{graph.role}`", _first_line(error), error) from error
        loaded = _OnnxRuntimeSession(graph, session, threads=options.threads)
        _checked(loaded.execution, graph, options)  # again: a derived manifest knows less than the graph
        return loaded


@final
class _OnnxRuntimeSession(Session):
    def __init__(self, graph: Graph, session: ort.InferenceSession, *, threads: int | None) -> None:
        self.inputs = {node.name: _spec(node) for node in session.get_inputs()}
        self.outputs = {node.name: _spec(node) for node in session.get_outputs()}
        halves = any(spec.dtype == "float16" for spec in (*self.inputs.values(), *self.outputs.values()))
        self.execution = "f16" if precision_of(graph.precision).half or halves else "f32"
        self.threads = threads  # the library does not tell how many it takes by itself
        self._role = graph.role
        self._session: ort.InferenceSession | None = session
        self._home = HomeProcess()
        keep_in_forks(session)

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        if self._session is None:
            raise EngineError(f"the session of `{self._role}` is closed")
        self._home.check(f"`{self._role}`")
        names = list(self.outputs)
        feeds = {name: np.asarray(array, order="C") for name, array in feeds.items()}  # keeps a scalar one
        run_options = ort.RunOptions()
        run_options.log_severity_level = _FATAL_ONLY

        def interrupt() -> None:
            run_options.terminate = True

        try:
            with (cancel or CancelToken()).interrupting(interrupt):
                results = self._session.run(names, feeds, run_options)
        except Cancelled:
            raise
        except Exception as error:
            if cancel is not None and cancel.cancelled:
                raise Cancelled from None
            raise failed(f"ONNX Runtime failed in `{self._role}`", _first_line(error), error) from error
        return dict(zip(names, results, strict=True))

    def close(self) -> None:
        self._session = None


def _checked(execution: str, graph: Graph, options: EngineOptions) -> str:
    """The execution, where the options ask for no other."""
    if options.execution not in (None, execution):
        raise SettingError(
            "execution",
            got=options.execution,
            expected=f"{execution}, because `{OnnxRuntimeEngine.name}` computes `{graph.role}` as it was exported",
            hint='`engine="openvino"` chooses what it computes in, as far as the device can',
        )
    return execution


def session_options(precision: str, options: EngineOptions) -> ort.SessionOptions:
    """The library's settings for a graph of that precision."""
    settings = ort.SessionOptions()
    settings.log_severity_level = _FATAL_ONLY
    settings.intra_op_num_threads = options.threads or 0
    row = precision_of(precision)
    if row.executions == ("f32",) and row.storage in ("int8", "int4"):
        for entry in _INT8_KEPT if options.low_memory else _INT8_WIDENED:
            settings.add_session_config_entry(*entry)
    if options.low_memory:
        settings.enable_cpu_mem_arena = False
        settings.enable_mem_pattern = False
        settings.add_session_config_entry("session.disable_prepacking", "1")
        # The last level rearranges convolution weights, which takes a second copy of them. Below it, and without
        # prepacking, weights are used where they lie in the mapped file: 76 MB private in place of 2.5 GB for a 3.4 GB
        # U-Net at one small step.
        settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        if precision == "fp16":
            # The library widens each weight in a node of its own. Its usual order runs all of these first, so that all
            # weights are there in float32 at once; by priority each runs in front of its use: 52 MB private in place of
            # 486 for 252 MB of weights, bit for bit the same. (It would do harm to `w8`: 9 GB in place of 0.44.)
            settings.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    return settings


def _spec(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(axis if isinstance(axis, int) else str(axis) for axis in node.shape)
    return TensorSpec(node.name, _DTYPES.get(node.type, node.type), shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
