"""OpenVINO as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import openvino as ov

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.engines.execution import choose_execution
from edgediff_runtimes.errors import Cancelled, DeviceError, EngineError
from edgediff_runtimes.tensors import Array, TensorSpec

_FORMATS = ("openvino", "onnx")


@final
class OpenVinoEngine:
    """Loads OpenVINO IR and ONNX graphs."""

    name = "openvino"
    version: str = ov.__version__.partition("-")[0]

    def __init__(self) -> None:
        self._core = ov.Core()

    def devices(self) -> tuple[Device, ...]:
        """What OpenVINO finds, the CPU first."""
        full = self._core.get_property("CPU", "FULL_DEVICE_NAME")
        return (Device("cpu", full, self._executions("CPU")),)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load a graph; see ``Engine.load``."""
        if device not in ("auto", "cpu"):
            raise DeviceError(device, available=[d.name for d in self.devices()])
        if graph.format not in _FORMATS:
            raise EngineError(
                f"the engine `{self.name}` cannot load `{graph.role}`: its format is `{graph.format}`, "
                f"expected one of {', '.join(_FORMATS)}"
            )
        available = self._executions("CPU")
        execution = choose_execution(
            graph.precision, options.execution, available=available, where="`openvino` on `cpu`"
        )
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": execution}
        if options.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = options.threads
        try:
            compiled = self._core.compile_model(self._core.read_model(graph.path), "CPU", settings)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot load `{graph.role}`: {_first_line(error)}") from error
        return _OpenVinoSession(graph.role, compiled, execution)

    def _executions(self, device: str) -> tuple[str, ...]:
        capabilities = self._core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        known = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}
        return tuple(name for name, capability in known.items() if capability in capabilities)


@final
class _OpenVinoSession(Session):
    def __init__(self, role: str, compiled: ov.CompiledModel, execution: str) -> None:
        self.inputs = {port.any_name: _spec(port) for port in compiled.inputs}
        self.outputs = {port.any_name: _spec(port) for port in compiled.outputs}
        self.execution = execution
        self._role = role
        self._compiled: ov.CompiledModel | None = compiled

    def run(self, feeds: Mapping[str, Array], *, cancel: CancelToken | None = None) -> dict[str, Array]:
        if self._compiled is None:
            raise EngineError(f"the session of `{self._role}` is closed")
        request = self._compiled.create_infer_request()
        try:
            with (cancel or CancelToken()).interrupting(request.cancel):
                request.start_async(
                    {name: np.ascontiguousarray(array) for name, array in feeds.items()}, share_inputs=True
                )
                request.wait()
        except Cancelled:
            raise
        except RuntimeError as error:
            if cancel is not None and cancel.cancelled:
                raise Cancelled from None
            raise EngineError(f"OpenVINO failed in `{self._role}`: {_first_line(error)}") from error
        return {name: request.get_tensor(name).data.copy() for name in self.outputs}

    def close(self) -> None:
        self._compiled = None


def _spec(port: Any) -> TensorSpec:  # noqa: ANN401 - its inputs and outputs are of two classes
    dtype = np.dtype(port.element_type.to_dtype()).name
    axes = enumerate(port.partial_shape)
    return TensorSpec(
        port.any_name, dtype, tuple(axis.get_length() if axis.is_static else f"axis_{index}" for index, axis in axes)
    )


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).strip().splitlines() if line and not line.startswith("Exception from")]
    return lines[0] if lines else type(error).__name__
