"""What the tests of the API and the command share: a tiny real bundle, and the command in this process or its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from edgediff import cli


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def golden():
    return Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def bundle(golden):
    """The committed bundle; not to be written to."""
    return golden / "bundle"


@pytest.fixture
def bundle_copy(bundle, tmp_path):
    """A copy of the bundle to do harm to."""
    return shutil.copytree(bundle, tmp_path / "copy")


@pytest.fixture
def picture(tmp_path):
    """A PNG that is not of our making."""
    path = tmp_path / "picture.png"
    Image.radial_gradient("L").resize((64, 72)).convert("RGB").save(path)
    return path


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command in this process."""

    def command(*args):
        monkeypatch.setattr(sys, "argv", ["edgediff", *map(str, args)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # what main replaces is put back
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as exited:
            code = exited.code
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return command


@pytest.fixture
def process(tmp_path):
    """Runs the command in a process of its own, in an empty directory."""
    (tmp_path / "cwd").mkdir()

    def process(*args):
        done = subprocess.run(
            [sys.executable, "-c", "from edgediff.cli import main; main()", *map(str, args)],
            capture_output=True,
            check=False,
            cwd=tmp_path / "cwd",
            encoding="utf-8",
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return process
