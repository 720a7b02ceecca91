"""edgediff's exporter: a trained model in, a bundle out. Needs the `export` extra."""

import edgediff_runtimes  # noqa: F401 - first of all: it keeps the libraries below from reporting
from edgediff_exporters.comparing import Comparison, compare
from edgediff_exporters.exporting import ExportReport, export
from edgediff_exporters.progress import ExportProgress, OnProgress
from edgediff_exporters.trials import TrialOptions
from edgediff_runtimes.precisions import PRECISIONS

__all__ = [
    "PRECISIONS",
    "Comparison",
    "ExportProgress",
    "ExportReport",
    "OnProgress",
    "TrialOptions",
    "compare",
    "export",
]
