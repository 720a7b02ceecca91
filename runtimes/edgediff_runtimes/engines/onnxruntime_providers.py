"""ONNX Runtime's execution providers as a table: what each is called here, what it needs, and how it was verified.

A provider takes the nodes that it can compute and leaves the others to the CPU, in silence: who computed what is told
by ``onnxruntime_assignment.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, final

from edgediff_runtimes.engines.base import Device
from edgediff_runtimes.engines.onnxruntime_library import ort
from edgediff_runtimes.errors import DeviceError, EngineError

Verified = Literal["run", "emulated", "never"]
CPU = "CPUExecutionProvider"
_SUFFIX = "ExecutionProvider"


@final
@dataclass(frozen=True, slots=True)
class Provider:
    """A row of the table.

    Attributes:
        name: The library's name of it.
        device: What it is asked for by.
        kind: ``cpu``, ``gpu`` or ``npu``; ``gpu`` and ``npu`` stand for the first of their kind.
        about: What it is.
        package: What has it, to install in place of ``onnxruntime`` or, where there is a ``module``, beside it.
        module: The Python module that has it as a plug-in library; None: the library must be built with it.
        options: What the library is told for every graph: name -> (value, reason).
        which: The option that says which of several: ``cuda.1`` sets it to ``1``; None: there is one alone.
        fixed: Why graphs must be given fixed shapes before they are loaded; None: they may have any.
        execution: What it computes floats in, whatever a graph has them in; None: in what the graph has.
        contexts: Whether it gives compiled graphs away, to be loaded again.
        emulator: What it does on a machine without such a device; None: nothing.
        verified: ``run``: its pictures were compared with the CPU's on such a device or in a software one;
            ``emulated``: on the maker's emulator; ``never``.
    """

    name: str
    device: str
    kind: Literal["cpu", "gpu", "npu"]
    about: str
    package: str
    module: str | None = None
    options: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    which: str | None = None
    fixed: str | None = None
    execution: str | None = None
    contexts: bool = False
    emulator: str | None = None
    verified: Verified = "never"


_PLAIN = "onnxruntime"
_EXACT_F32 = ("0", "TensorFloat-32 keeps 10 bits of the mantissa, unasked")
# In the order in which ``gpu`` and ``npu`` choose.
PROVIDERS: tuple[Provider, ...] = (
    Provider(CPU, "cpu", "cpu", "the processor", "onnxruntime", verified="run"),
    Provider(
        "CUDAExecutionProvider",
        "cuda",
        "gpu",
        "NVIDIA GPU through CUDA",
        "onnxruntime-gpu",
        options={"use_tf32": _EXACT_F32},
        which="device_id",
    ),
    Provider("NvTensorRTRTXExecutionProvider", "tensorrt-rtx", "gpu", "GeForce RTX, TensorRT", "onnxruntime-trt-rtx"),
    Provider(
        "TensorrtExecutionProvider",
        "tensorrt",
        "gpu",
        "NVIDIA GPU through TensorRT",
        "onnxruntime-gpu",
        which="device_id",
    ),
    Provider(
        "MIGraphXExecutionProvider",
        "migraphx",
        "gpu",
        "AMD GPU through MIGraphX",
        "onnxruntime-migraphx",
        which="device_id",
    ),
    Provider("ROCMExecutionProvider", "rocm", "gpu", "AMD GPU through ROCm", "onnxruntime-rocm", which="device_id"),
    Provider("DmlExecutionProvider", "directml", "gpu", "GPUs of Windows", "onnxruntime-directml", which="device_id"),
    Provider(
        "WebGpuExecutionProvider",
        "webgpu",
        "gpu",
        "any GPU through Vulkan, Metal or Direct3D 12",
        "onnxruntime-ep-webgpu",
        module="onnxruntime_ep_webgpu",
        verified="run",
    ),
    Provider("CoreMLExecutionProvider", "coreml", "npu", "Apple GPU and Neural Engine", "onnxruntime"),
    Provider(
        "QNNExecutionProvider",
        "qnn",
        "npu",
        "Qualcomm Hexagon NPU",
        "onnxruntime-qnn",
        module="onnxruntime_qnn",
        options={
            "backend_type": ("htp", "the NPU; its other backends are left to the CPU in silence"),
            "offload_graph_io_quantization": ("0", "the CPU would round what goes in and widen what comes out"),
        },
        which="soc_model",  # of the chip: 57, 69 ...; the emulator has none of its own
        fixed="its compiler lays out memory when it compiles",
        execution="f16",
        contexts=True,
        emulator="its maker's emulator, on the processor",
        verified="emulated",
    ),
    Provider("NnapiExecutionProvider", "nnapi", "npu", "accelerators of Android", "onnxruntime", fixed="as NNAPI asks"),
    Provider(
        "OpenVINOExecutionProvider",
        "openvino-provider",
        "npu",
        "Intel devices through OpenVINO; the engine `openvino` reaches them without it",
        "onnxruntime-openvino",
        module="onnxruntime_ep_openvino",
    ),
    Provider("XnnpackExecutionProvider", "xnnpack", "cpu", "the processor, with XNNPACK", "onnxruntime"),
)
_UNTOLD = "57 is the number of a chip, which an emulator must be told; there is no such device here"
# Offered by the library and no device: it asks a service on the network.
_REMOTE = ("AzureExecutionProvider",)


@final
@dataclass(frozen=True, slots=True)
class Reached:
    """A provider that this installation has.

    Attributes:
        provider: Its row; made up of its name where the table has none.
        plugged: What a plug-in found on this machine; empty where the library was built with the provider.
        index: Which of several was asked for, see ``Provider.which``; None: the first.
    """

    provider: Provider
    plugged: tuple[Any, ...] = ()
    index: str | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What the library is told."""
        row = self.provider
        told = {name: value for name, (value, _) in row.options.items()}
        return told if self.index is None or row.which is None else {**told, row.which: self.index}

    @property
    def device(self) -> Device:
        """As ``edgediff devices`` lists it."""
        row = self.provider
        about = f"{row.about}: {row.emulator}" if self.emulated else row.about
        executions = ("f32",) if row.execution is None else (row.execution,)
        return Device(row.device, about, executions, kind=row.kind, verified=row.verified)

    @property
    def emulated(self) -> bool:
        """Whether the plug-in found no such device and emulates one; it must be told which."""
        return self.provider.emulator is not None and all(_kind(one) != self.provider.kind for one in self.plugged)


@cache
def reached() -> tuple[Reached, ...]:
    """The providers of this installation that have a device on this machine, the CPU first."""
    built = [name for name in ort.get_available_providers() if name not in _REMOTE]
    known = {row.name: row for row in PROVIDERS}
    rows = [*PROVIDERS, *(_unknown(name) for name in built if name not in known)]
    found = []
    for row in rows:
        if row.name in built:
            found.append(Reached(row))
        elif plugged := _plugged(row):
            found.append(Reached(row, plugged))
    return tuple(found)


def reached_by(device: str) -> Reached:
    """The provider behind a device's name; ``auto`` is the CPU, ``gpu`` and ``npu`` the first of their kind.

    A dot and a number behind it say which of several: ``cuda.1``.

    Raises:
        DeviceError: There is none, or one that is emulated without the number that says which.
    """
    there = reached()
    if device == "auto":
        return there[0]
    name, dot, index = device.partition(".")
    for one in there:
        if name in one.device.names and (not dot or (one.provider.which is not None and index.isdecimal())):
            if one.emulated and not index:
                others = [other.provider.device for other in there if other is not one]
                raise DeviceError(device, available=[*others, f"{one.provider.device}.57"], hint=_UNTOLD)
            return replace(one, index=index or None)
    raise DeviceError(device, available=[one.provider.device for one in there], hint=package_hint(device))


def package_hint(device: str) -> str | None:
    """Which package has a provider that is not there; None where none of ours does."""
    name = device.partition(".")[0]
    row = next((row for row in PROVIDERS if row.device == name and row.name != CPU), None)
    if row is None:
        return None
    if row.package == _PLAIN:
        return f"only some builds of `{_PLAIN}` have it: this one has not"
    if row.module is not None and importlib.util.find_spec(row.module) is not None:
        return f"`{row.package}` is installed and finds no such device on this machine"
    return f"`pip install {row.package}` has it"


def device_name(name: str) -> str:
    """What a provider is called here, by the library's name of it."""
    return next((row.device for row in PROVIDERS if row.name == name), _unknown(name).device)


def _unknown(name: str) -> Provider:
    device = name.removesuffix(_SUFFIX).lower()
    return Provider(name, device, "gpu", "not in our table", "onnxruntime")


def _plugged(row: Provider) -> tuple[Any, ...]:
    """The devices that a plug-in finds, registered with the library when it is first asked for.

    Raises:
        EngineError: It is installed and cannot be registered.
    """
    if row.module is None or importlib.util.find_spec(row.module) is None:
        return ()
    try:
        library = importlib.import_module(row.module).get_library_path()
        ort.register_execution_provider_library(row.name, library)
    except Exception as error:  # neither the library's nor the plug-in's exceptions share a base class
        raise EngineError(f"`{row.package}` is installed and cannot be used: {error}") from error
    found = [device for device in ort.get_ep_devices() if device.ep_name == row.name]
    # Of a machine with several the first is taken: one of the kind that is asked for.
    return tuple(sorted(found, key=lambda device: _kind(device) != row.kind))


def _kind(device: object) -> str:
    """What a plug-in's device is: ``cpu``, ``gpu`` or ``npu``."""
    return str(device.device.type.name).lower()  # type: ignore[attr-defined] # the library has no types
