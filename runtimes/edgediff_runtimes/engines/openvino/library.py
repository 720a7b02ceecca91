"""The library itself, imported without its telemetry.

``import openvino`` reports the import to Google Analytics and keeps a client id in the user's home (``~/intel``),
unless the user refused that beforehand or ``openvino_telemetry`` is not installed. Nothing is to be
reported, so the library is imported as if that package were missing, for which it has a stub. A program that imported
``openvino`` before us has made its own choice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

__all__ = ["ov", "without_telemetry"]

_TELEMETRY = "openvino_telemetry"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """While the block runs, ``openvino_telemetry`` cannot be imported: for imports of OpenVINO and of its tools."""
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = cast("ModuleType", None)  # None makes an import raise ImportError
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        if before is not None:
            sys.modules[_TELEMETRY] = before


with without_telemetry():
    import openvino as ov
