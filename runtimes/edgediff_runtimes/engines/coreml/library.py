"""The library through which Core ML is reached, imported when it is asked for: it brings torch where that is there."""

from __future__ import annotations

import logging
import platform
from typing import Any

from edgediff_runtimes.errors import NotInstalledError


def load_library() -> Any:  # noqa: ANN401 - it ships no types
    """Import it.

    Raises:
        NotInstalledError: This is no machine of Apple's. Elsewhere the library only converts.
        ImportError: It is not there.
    """
    if platform.system() != "Darwin":
        raise NotInstalledError(
            "the engine `coreml`",
            extra="coreml",
            reason=ImportError("Core ML is a part of macOS"),
            hint="graphs that have Core ML packages beside them are computed by other engines as well",
        )
    # It tells of versions of other libraries that it was not tried with; only its conversions need those.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        import coremltools  # noqa: PLC0415 - see above
    finally:
        logging.disable(before)
    return coremltools
