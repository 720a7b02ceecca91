"""edgediff's exporter: a trained model in, a bundle out. Needs the `export` extra.

Names are imported when they are first used: PyTorch takes seconds to import, and a request that cannot be met is
refused before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import edgediff_runtimes  # noqa: F401 - first of all: it keeps the libraries that come later from reporting

if TYPE_CHECKING:
    from edgediff_exporters.adding import add
    from edgediff_exporters.comparing import Comparison, compare
    from edgediff_exporters.exporting import ExportReport, export
    from edgediff_exporters.progress import ExportProgress, OnProgress
    from edgediff_exporters.requests import check_request
    from edgediff_exporters.trials import TrialOptions
    from edgediff_runtimes.precisions import PRECISIONS

__all__ = [
    "PRECISIONS",
    "Comparison",
    "ExportProgress",
    "ExportReport",
    "OnProgress",
    "TrialOptions",
    "add",
    "check_request",
    "compare",
    "export",
]

_HOMES = {
    "PRECISIONS": "edgediff_runtimes.precisions",
    "Comparison": "edgediff_exporters.comparing",
    "ExportProgress": "edgediff_exporters.progress",
    "ExportReport": "edgediff_exporters.exporting",
    "OnProgress": "edgediff_exporters.progress",
    "TrialOptions": "edgediff_exporters.trials",
    "add": "edgediff_exporters.adding",
    "check_request": "edgediff_exporters.requests",
    "compare": "edgediff_exporters.comparing",
    "export": "edgediff_exporters.exporting",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's names are of any type
    if name not in _HOMES:
        raise AttributeError(f"module `edgediff_exporters` has no attribute `{name}`")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
