"""What stands around the packages: the test command, the pinned versions."""

from __future__ import annotations

import os
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@pytest.fixture
def pins(root):
    """Every line of ``constraints.txt``: (name, version, marker or None)."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.fixture
def declared(root):
    """Every requirement string of ``pyproject.toml``; read as text, for Python 3.10 has no reader for it."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(
        r"^(?:dependencies|export|openvino|ncnn|coreml|dev) = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL
    )
    assert len(lists) == 6
    return [Requirement(item) for body in lists for item in re.findall(r'"([^"]+)"', body)]


def test_ci_runs_the_test_command_of_the_readme(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    (command,) = (line for line in readme.splitlines() if re.search(r"/pytest\b", line))
    script = root / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[-1] == command
    assert "set -euo pipefail" in lines
    assert os.access(script, os.X_OK)


def test_every_pin_is_exact(pins):
    assert [str(pin) for pin in pins if [spec.operator for spec in pin.specifier] != ["=="]] == []


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_what_is_declared_is_pinned_to_one_version_that_is_allowed(pins, declared, python):
    for requirement in declared:
        name = canonicalize_name(requirement.name)
        if name == "edgediff":
            continue
        found = [
            spec.version
            for pin in pins
            if canonicalize_name(pin.name) == name
            and (pin.marker is None or pin.marker.evaluate({"python_version": python}))
            for spec in pin.specifier
        ]
        assert len(found) == 1, name
        assert requirement.specifier.contains(found[0]), name


def test_torch_is_pinned_to_the_version_that_parity_was_shown_with(pins):
    assert [str(pin) for pin in pins if pin.name == "torch"] == ["torch==2.13.0"]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "benchmarks"])
def test_links_lead_somewhere(root, name):
    start = root / name
    for page in sorted(start.rglob("*.md")) if start.is_dir() else [start]:
        links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (page.parent / link).exists()] == [], page


def test_contributing_names_what_is_there(root):
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = {path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", text) if "NAME" not in path and ".venv" not in path}
    homes = (root, root / "exporters" / "edgediff_exporters", root / "runtimes" / "edgediff_runtimes")
    assert len(paths) > 10
    assert {path for path in paths if not any((home / path).exists() for home in homes)} == set()
