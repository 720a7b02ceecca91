"""The package that converts, imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

from edgediff_exporters.tracing import quiet
from edgediff_runtimes.errors import NotInstalledError


def module(name: str) -> Any:  # noqa: ANN401 - it ships no types
    """One of its modules. It writes of what is missing outside of Apple's systems, which nothing here needs.

    Raises:
        NotInstalledError: It is not there.
    """
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError as error:
        raise NotInstalledError("what writes packages for `coreml`", extra="coreml", reason=error) from error
