"""The error for a library's exception."""

from __future__ import annotations

import re

from edgediff_runtimes.errors import EngineError, OutOfMemoryError

# What ONNX Runtime, OpenVINO and the drivers below them say where there is no memory.
_NO_MEMORY = re.compile(
    r"bad[_ ]alloc|fail(ed|ure)? to allocate|could not allocate|cannot allocate|out of memory"
    r"|OUT_OF_(HOST_|DEVICE_)?(MEMORY|RESOURCES)|ALLOCATION_FAILURE",
    re.IGNORECASE,
)


def failed(what: str, words: str, error: Exception, *, hint: str | None = None) -> EngineError:
    """The error for what a library raised.

    Args:
        what: The library and what it was to do.
        words: The part of its message that tells most.
        error: What it raised.
        hint: What can be done where it is not memory.
    """
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return OutOfMemoryError(f"{what}: there is not enough memory ({words})")
    return EngineError(f"{what}: {words}", hint=hint)
