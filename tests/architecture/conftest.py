"""What the architecture tests share: the repository, fresh interpreters, and the wheel that a release would be."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_IMPORT_ALL = """
import importlib, pkgutil
for name in {packages}:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in {without}:
                raise
"""


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture
def loaded_after():
    """Run code in a fresh interpreter; the top-level names of all modules that are loaded when it ends."""

    def run(code, *, python=sys.executable):
        probe = "import json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
        # -I: neither the working directory nor the environment adds a path; -W error: importing must not warn.
        command = [python, "-I", "-W", "error", "-c", f"import sys\n{code}\n{probe}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return set(json.loads(done.stdout.splitlines()[-1]))

    return run


@pytest.fixture(scope="session")
def import_all():
    """``import_all(*packages, without=())``: code that imports every module but what needs one of ``without``."""
    return lambda *packages, without=(): _IMPORT_ALL.format(packages=packages, without=without)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from the sdist as a release is: what either of them leaves out is missing here."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("*.whl")
    return built
