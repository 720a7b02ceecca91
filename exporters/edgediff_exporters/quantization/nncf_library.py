"""NNCF, without its telemetry, its log and its progress bars.

NNCF reports what it is used for to Google Analytics and keeps a client id in the user's home, unless the user refused
that beforehand; it writes to the standard output, where only results belong, and draws bars of its own on the console
that Rich shares. None of that is asked for here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import rich

from edgediff_runtimes.errors import NotInstalledError


@contextmanager
def quiet_nncf() -> Iterator[ModuleType]:
    """NNCF, silent while the block runs; what it raises is raised, and its log is as before afterwards.

    Raises:
        NotInstalledError: It is not installed.
    """
    nncf = _imported()
    log, console = logging.getLogger("nncf"), rich.get_console()
    level, quiet = log.level, console.quiet
    log.setLevel(logging.CRITICAL)
    console.quiet = True
    try:
        yield nncf
    finally:
        log.setLevel(level)
        console.quiet = quiet


def _imported() -> ModuleType:
    try:
        from edgediff_runtimes.engines.openvino.library import without_telemetry  # noqa: PLC0415 - may be missing

        with without_telemetry():
            import nncf  # noqa: PLC0415 - takes seconds, and few exports need it
    except ImportError as error:
        raise NotInstalledError("what quantises graphs for OpenVINO", extra="export", reason=error) from error
    library: ModuleType = nncf
    return library
