"""Engines: what computes graphs. A table names them; nothing is imported before it is asked for."""

from __future__ import annotations

import importlib

from edgediff_runtimes.engines.base import Device, Engine, EngineOptions, Graph, Session
from edgediff_runtimes.engines.fake import FakeEngine
from edgediff_runtimes.errors import NotInstalledError, SettingError

__all__ = ["ENGINES", "Device", "Engine", "EngineOptions", "FakeEngine", "Graph", "Session", "engine_for", "get_engine"]

# name -> (module, class, extra that installs it; None: the base install has it)
ENGINES: dict[str, tuple[str, str, str | None]] = {
    "onnxruntime": ("edgediff_runtimes.engines.onnxruntime", "OnnxRuntimeEngine", None),
    "openvino": ("edgediff_runtimes.engines.openvino", "OpenVinoEngine", "openvino"),
}
_ENGINE_OF_FORMAT = {"onnx": "onnxruntime", "openvino": "openvino"}


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
    except ImportError as error:
        raise NotInstalledError(f"the engine `{name}`", extra=extra, reason=error) from error
    return engine


def engine_for(format_: str) -> Engine:
    """The default engine for graphs of a format.

    Raises:
        SettingError: No engine here reads that format.
        NotInstalledError: The one that does is not installed.
    """
    if format_ not in _ENGINE_OF_FORMAT:
        raise SettingError("format", got=format_, expected=f"one of {', '.join(_ENGINE_OF_FORMAT)}")
    return get_engine(_ENGINE_OF_FORMAT[format_])
