"""The Core ML packages beside a bundle's graphs, loaded for a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from edgediff_runtimes.engines.base import Device, EngineOptions, Graph, Session
from edgediff_runtimes.engines.coreml.library import load_library
from edgediff_runtimes.engines.coreml.session import CoreMlSession
from edgediff_runtimes.engines.coreml_names import package_of
from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.errors import AdapterError, DeviceError, EngineError, SettingError

_FORMAT = "onnx"


@final
@dataclass(frozen=True, slots=True)
class _Place:
    """A device, and which units of Core ML's it is: the processor is always among them."""

    device: Device
    units: str


_EVERY = ("f32", "f16")
_PLACES = (
    _Place(Device("cpu", "the processor, with Core ML", _EVERY, kind="cpu", verified="never"), "CPU_ONLY"),
    _Place(
        Device("neural-engine", "Apple's Neural Engine through Core ML", ("f16",), kind="npu", verified="never"),
        "CPU_AND_NE",
    ),
    _Place(Device("apple-gpu", "Apple's GPU through Core ML", _EVERY, kind="gpu", verified="never"), "CPU_AND_GPU"),
)


@final
class CoreMlEngine:
    """Loads the package beside a graph.

    Core ML itself decides which of a device's units computes what, and does not say. A package is compiled each time
    that it is loaded.
    """

    name = "coreml"

    def __init__(self) -> None:
        self._library = load_library()

    @property
    def version(self) -> str:
        """Version of coremltools; Core ML has that of the system."""
        return str(self._library.__version__)

    def devices(self) -> tuple[Device, ...]:
        """What every machine of Apple's with Core ML is asked for by, whether it has a Neural Engine or not."""
        return tuple(place.device for place in _PLACES)

    def execution(self, graph: Graph, *, device: str, options: EngineOptions) -> str:
        """What a graph would be computed in; see ``Engine.execution``."""
        return self._execution(graph, self._place(device), options)

    def load(self, graph: Graph, *, device: str, options: EngineOptions) -> Session:
        """Load the package of a graph; see ``Engine.load``."""
        place = self._place(device)
        execution = self._execution(graph, place, options)
        if graph.change is not None:
            raise AdapterError(
                f"the weights of `{graph.role}` are in a Core ML package, which is read as it is: got a change of "
                "weights, expected none",
                hint="fuse a LoRA into them at export, or draw with another engine",
            )
        path = package_of(graph.path)
        if graph.format != _FORMAT or not path.is_dir():
            raise EngineError(
                f"the engine `{self.name}` cannot load `{graph.role}`: there is no `{path.name}` beside its graph",
                hint='bundles that are exported with `target="coreml"` have such packages',
            )
        try:
            units = self._library.ComputeUnit[place.units]
            model = self._library.models.MLModel(str(path), compute_units=units)
        except Exception as error:  # its exceptions share no base class
            raise failed(f"Core ML cannot load `{graph.role}` from `{path.name}`", str(error), error) from error
        return CoreMlSession(graph, model, execution=execution)

    def _place(self, name: str) -> _Place:
        for place in _PLACES:
            if name == "auto" or name in place.device.names:
                return place
        raise DeviceError(name, available=[place.device.name for place in _PLACES])

    def _execution(self, graph: Graph, place: _Place, options: EngineOptions) -> str:
        if options.static is not None:
            expected = "none, because Core ML packages are exported for their sizes"
            raise SettingError("static", got="{}x{}".format(*options.static), expected=expected)
        if options.threads is not None:
            raise SettingError("threads", got=options.threads, expected="nothing, because Core ML has its own")
        own = "f32" if graph.precision == "fp32" else "f16"
        if options.execution not in (None, own):
            expected = f"{own}, which the package of `{graph.role}` was exported in"
            raise SettingError("execution", got=options.execution, expected=expected)
        if own not in place.device.executions:
            expected = f"{' or '.join(place.device.executions)}, which is what `{place.device.name}` computes in"
            raise SettingError("execution", got=own, expected=expected, hint="another device computes this component")
        return own
