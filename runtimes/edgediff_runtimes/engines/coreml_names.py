"""What an export and the engine agree on about Core ML packages; neither of them is needed for it."""

from __future__ import annotations

import re
from pathlib import Path

_SUFFIX = ".mlpackage"


def package_of(graph: Path) -> Path:
    """The package beside a graph, which is read in its place: a directory."""
    return graph.with_suffix(_SUFFIX)


def feature_of(name: str) -> str:
    """What a package, which has letters, digits and `_` alone, calls a tensor: ``states_2`` for ``states.2``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)
