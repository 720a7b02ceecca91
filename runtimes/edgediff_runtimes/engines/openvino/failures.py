"""OpenVINO's exceptions in our words."""

from __future__ import annotations

from edgediff_runtimes.engines.failing import failed
from edgediff_runtimes.errors import EngineError


def failure(what: str, error: Exception) -> EngineError:
    """The error for a foreign exception: what was tried, and the last line of what OpenVINO says, which tells most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return failed(f"OpenVINO {what}", lines[-1] if lines else type(error).__name__, error)
