"""The library itself, imported without its telemetry.

``reporting.py`` keeps it from starting on Linux and macOS. On Windows it writes events of the system's tracing, which
Windows may collect: these are switched off in the library. That holds in a program that imported ``onnxruntime`` before
us as well, but what was reported until then is its own.
"""

from __future__ import annotations

import onnxruntime as ort

__all__ = ["ort"]

ort.disable_telemetry_events()
