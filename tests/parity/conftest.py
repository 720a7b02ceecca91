"""The trained pipeline of this repository: as diffusers runs it, and as a bundle exported from it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import edgediff

SOURCE = Path(__file__).parents[2] / "benchmarks" / "models" / "emoji" / "pipelines" / "emoji"


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The fp32 bundle. Test processes that run side by side share one export; a lock says who makes it."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    target, lock = root / "emoji-fp32", root / "emoji-fp32.lock"
    while not target.is_dir():
        try:
            lock.mkdir()
        except FileExistsError:
            time.sleep(0.2)
            continue
        try:
            edgediff.export(SOURCE, target)
        finally:
            lock.rmdir()
    return target
