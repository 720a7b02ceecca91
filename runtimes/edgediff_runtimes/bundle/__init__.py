"""Bundles: the directory that an export writes and a run reads. Specified in ``docs/bundle-format.md``."""

from edgediff_runtimes.bundle.bundle import Bundle, sha256_of
from edgediff_runtimes.bundle.file_entry import FileEntry
from edgediff_runtimes.bundle.fixed_graph import FixedGraph, Package
from edgediff_runtimes.bundle.manifest import (
    MANIFEST_NAME,
    Check,
    Component,
    Fusion,
    Manifest,
    OperatorCount,
    Origin,
    Provenance,
    Tokenizer,
)
from edgediff_runtimes.bundle.quality import (
    ComponentQuality,
    Fidelity,
    LevelQuality,
    PictureQuality,
    QualityReport,
    Search,
    SearchPoint,
    Spread,
    TaskMetric,
)
from edgediff_runtimes.bundle.reuse import ProvedReuse, TenthSpread
from edgediff_runtimes.recipe.defaults import Defaults

__all__ = [
    "MANIFEST_NAME",
    "Bundle",
    "Check",
    "Component",
    "ComponentQuality",
    "Defaults",
    "Fidelity",
    "FileEntry",
    "FixedGraph",
    "Fusion",
    "LevelQuality",
    "Manifest",
    "OperatorCount",
    "Origin",
    "Package",
    "PictureQuality",
    "ProvedReuse",
    "Provenance",
    "QualityReport",
    "Search",
    "SearchPoint",
    "Spread",
    "TaskMetric",
    "TenthSpread",
    "Tokenizer",
    "sha256_of",
]
