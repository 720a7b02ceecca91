"""Engines: what computes graphs. A table names them; nothing is imported before it is asked for."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator

from edgediff_runtimes.engines.base import Device, Engine, EngineOptions, Graph, Session, Share
from edgediff_runtimes.engines.fake import FakeEngine
from edgediff_runtimes.errors import DeviceError, NotInstalledError, SettingError

__all__ = [
    "ENGINES",
    "Device",
    "Engine",
    "EngineOptions",
    "FakeEngine",
    "Graph",
    "Session",
    "Share",
    "engine_for",
    "get_engine",
    "other_engines",
]

# name -> (module, class, extra that installs it; None: the base install has it)
ENGINES: dict[str, tuple[str, str, str | None]] = {
    "onnxruntime": ("edgediff_runtimes.engines.onnxruntime", "OnnxRuntimeEngine", None),
    "openvino": ("edgediff_runtimes.engines.openvino", "OpenVinoEngine", "openvino"),
    "ncnn": ("edgediff_runtimes.engines.ncnn", "NcnnEngine", "ncnn"),
    "coreml": ("edgediff_runtimes.engines.coreml", "CoreMlEngine", "coreml"),
}
# format -> engines that read it, the default first; `coreml`, which reads what few graphs have beside them, is named
_ENGINES_OF_FORMAT = {"onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",), "ncnn": ("ncnn",)}
# What an engine that is not installed would reach, where the machine has it.
_WOULD_REACH = {"openvino": ("gpu", "npu", "auto-plugin")}


def get_engine(name: str) -> Engine:
    """The engine of that name.

    Raises:
        SettingError: No engine has that name.
        NotInstalledError: The library behind it is not installed; the hint is the install line.
    """
    if name not in ENGINES:
        raise SettingError("engine", got=name, expected=f"one of {', '.join(ENGINES)}")
    module, class_name, extra = ENGINES[name]
    try:
        engine: Engine = getattr(importlib.import_module(module), class_name)()
    except NotInstalledError:  # it says more
        raise
    except ImportError as error:
        raise NotInstalledError(f"the engine `{name}`", extra=extra, reason=error) from error
    return engine


def engine_for(format_: str, device: str = "auto") -> Engine:
    """The engine for graphs of a format: the default one, or the first that reaches the device.

    Raises:
        SettingError: No engine here reads that format.
        NotInstalledError: The one that does is not installed.
        DeviceError: None of those that are installed reaches the device.
    """
    if format_ not in _ENGINES_OF_FORMAT:
        raise SettingError("format", got=format_, expected=f"one of {', '.join(_ENGINES_OF_FORMAT)}")
    default, *others = _ENGINES_OF_FORMAT[format_]
    engine = get_engine(default)
    if device == "auto" or _reaches(engine, device):
        return engine
    reached, hint = [known.name for known in engine.devices()], None
    for name in others:
        try:
            other = get_engine(name)
        except NotInstalledError as error:
            if device.partition(".")[0] in _WOULD_REACH.get(name, ()):
                hint = f"`{name}` reaches it where the machine has one of Intel's: {error.hint}"
            continue
        if _reaches(other, device):
            return other
        reached += [known.name for known in other.devices()]
    if hint is None and default == "onnxruntime":
        hint = importlib.import_module("edgediff_runtimes.engines.onnxruntime_providers").package_hint(device)
    raise DeviceError(device, available=dict.fromkeys(reached), hint=hint)


def other_engines(format_: str, *, than: str) -> Iterator[Engine]:
    """The installed engines that read a format, beside that one; none where that one is not of ours."""
    for name in _ENGINES_OF_FORMAT.get(format_, ()) if than in ENGINES else ():
        if name != than:
            with contextlib.suppress(NotInstalledError):
                yield get_engine(name)


def _reaches(engine: Engine, device: str) -> bool:
    """Whether an engine has that device."""
    return any({device, device.partition(".")[0]} & known.names for known in engine.devices())
