"""What the tests of the web folder share: a stand-in for the npm package, and a small bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgediff.browser.library import FILES
from edgediff.browser.page import Page


@pytest.fixture
def package(tmp_path):
    """A folder that looks like onnxruntime-web's."""
    folder = tmp_path / "onnxruntime-web"
    (folder / "dist").mkdir(parents=True)
    for name in FILES:
        (folder / "dist" / name).write_text(f"// {name}", encoding="utf-8")
    about = {"name": "onnxruntime-web", "version": Page.built().library.version}
    (folder / "package.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


@pytest.fixture
def root():
    """The repository."""
    return Path(__file__).parents[3]
