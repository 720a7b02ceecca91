"""OpenVINO's exceptions in our words."""

from __future__ import annotations

import re

from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.engines.openvino.library import ov
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.installing import install_line

_LOWEST = 2026, 4  # the first that reads attention as one operator (``MultiHeadAttention`` of ``com.microsoft``)


def failure(what: str, error: Exception) -> EngineError:
    """The error for a foreign exception: what was tried, and the last line of what OpenVINO says, which tells most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hint = None
    if tuple(map(int, re.findall(r"\d+", ov.__version__)[:2])) < _LOWEST:
        hint = f"this is OpenVINO {ov.__version__.partition('-')[0]}, which lacks operators: {install_line('openvino')}"
    return failed(f"OpenVINO {what}", lines[-1] if lines else type(error).__name__, error, hint=hint)
