"""The four linters pass on the tree, so that the one test command is the one check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LINTERS = {
    "ruff check": ("ruff", "check", "--no-cache", "."),
    "ruff format": ("ruff", "format", "--check", "--no-cache", "."),
    "mypy": ("mypy",),
    "lint-imports": ("lint-imports", "--no-cache"),
}


@pytest.mark.parametrize("linter", LINTERS)
def test_linter_passes(root, linter):
    program, *arguments = LINTERS[linter]
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
