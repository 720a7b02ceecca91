"""OpenVINO loads its plugins (devices, readers of formats) by name, from beside its main library.

PyInstaller's own collection of hooks had none for it in November 2026.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

# Readers of formats that a bundle is never in, and the interface for C.
_NOT_NEEDED = ("_jax_", "_pytorch_", "_tensorflow_", "_paddle_", "_gguf_", "openvino_c.")
_FOLDER = "openvino/libs"

_spec = find_spec("openvino")
_libraries = [] if _spec is None or _spec.origin is None else sorted((Path(_spec.origin).parent / "libs").iterdir())
_needed = [path for path in _libraries if not any(name in path.name for name in _NOT_NEEDED)]
binaries = [(str(path), _FOLDER) for path in _needed if {".so", ".dll", ".dylib"} & {*path.suffixes}]
datas = [(str(path), _FOLDER) for path in _needed if path.suffix == ".json"]
