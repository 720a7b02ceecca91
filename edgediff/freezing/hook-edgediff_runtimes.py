"""The runtime: engines are imported by name, the one that is asked for."""

from __future__ import annotations

from edgediff_runtimes.engines import ENGINES

# Of an engine whose library is not installed only our module is taken, which then says so.
hiddenimports = [module for module, _, _ in ENGINES.values()]
