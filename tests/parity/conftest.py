"""The trained pipeline of this repository: as diffusers runs it, and as a bundle exported from it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import edgediff

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))  # drawn_by_diffusers

SOURCE = Path(__file__).parents[2] / "benchmarks" / "models" / "emoji" / "pipelines" / "emoji"


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def bundle(shared):
    """The fp32 bundle."""
    return shared("emoji-fp32", lambda folder: edgediff.export(SOURCE, folder / "emoji")) / "emoji"
