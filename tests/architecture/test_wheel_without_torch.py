"""Ring four: the wheel in an environment without torch passes the runtime's tests and draws."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv

import pytest

from edgediff.api import shipped_models

pytestmark = pytest.mark.slow

TESTS = ("runtimes", "edgediff", "golden")
# What of them is run each time: whole pictures of every family, samplers and text held against goldens, both engines'
# tests (those of the one that is not there are skipped), a bundle measured, the commands. All of them: .ci/nightly.
SAMPLE = (
    "runtimes/test_family_goldens.py",
    "runtimes/test_pipeline.py",
    "runtimes/test_pipeline_golden.py",
    "runtimes/test_text.py",
    "runtimes/engines",
    "runtimes/noise",
    "runtimes/quality/test_measuring.py",
    "runtimes/sampling/test_goldens.py",
    "edgediff/test_command.py",
    "edgediff/test_verify.py",
)
TEST_TOOLS = ("pytest", "hypothesis")
LARGEST_MB = (
    222  # the goal is 200; of what it was in November 2026, onnxruntime is 73, numpy 61, pillow 23, tokenizers 40
)
TORCH = {"torch", "diffusers", "transformers", "optimum", "accelerate", "onnx", "onnxscript", "onnx_ir", "safetensors"}

DRAW = """
import sys
import edgediff, edgediff_runtimes
with edgediff.load({bundle!r}) as pipeline:
    pipeline("a red apple", seed=0, steps=2).save({target!r})
assert all("site-packages" in module.__file__ for module in (edgediff, edgediff_runtimes)), edgediff.__file__
"""


class Environment:
    """A virtual environment that holds the wheel and its dependencies, as an installer without extras leaves it."""

    def __init__(self, folder, root):
        self.folder = folder
        self.root = root
        self.programs = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = str(self.programs / "python")
        # Built without pip, which is none of ours, and without the bytecode that first imports write.
        venv.create(folder, with_pip=False)

    def install(self, *packages):
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install", "-q", "--no-compile"]
        self._run([*pip, "-c", str(self.root / "constraints.txt"), *map(str, packages)])

    def run(self, program, *arguments, cwd):
        return self._run([str(self.programs / program), *arguments], cwd=cwd)

    def megabytes(self):
        """MB on disk: of the whole environment, and of its site-packages."""
        (site,) = self.folder.glob("[Ll]ib/**/site-packages")
        return [
            sum(path.lstat().st_blocks * 512 for path in top.rglob("*") if not path.is_dir()) / 1e6
            for top in (self.folder, site)
        ]

    def _run(self, command, *, cwd=None):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON"))}
        done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def environment(wheel, root, tmp_path_factory):
    made = Environment(tmp_path_factory.mktemp("environment") / "venv", root)
    made.install(wheel)
    made.measured = made.megabytes()
    return made


def test_size_on_disk(environment, figure):
    whole, site = environment.measured
    figure(f"environment of the wheel: {whole:.0f} MB on disk, site-packages {site:.0f} MB (no pip, no bytecode yet)")
    assert whole <= LARGEST_MB


def test_torch_is_not_there(environment, tmp_path):
    found = f"import importlib.util as u; print([n for n in {sorted(TORCH)} if u.find_spec(n)])"
    assert environment.run("python", "-I", "-c", found, cwd=tmp_path).strip() == "[]"


def test_a_picture_loads_no_torch(environment, root, tmp_path, loaded_after):
    bundles = [str(root / "tests" / "golden" / "bundle"), *shipped_models()]
    for index, bundle in enumerate(bundles):
        target = tmp_path / f"{index}.png"
        loaded = loaded_after(DRAW.format(bundle=bundle, target=str(target)), python=environment.python)
        assert "onnxruntime" in loaded
        assert not loaded & TORCH
        assert target.stat().st_size > 0


@pytest.mark.skipif(not shipped_models(), reason="no model ships with this checkout")
def test_the_command_draws_with_the_shipped_model(environment, tmp_path):
    printed = environment.run("edgediff", "run", "a red apple", "--seed", "0", "--json", cwd=tmp_path)
    (report,) = json.loads(printed)
    assert (tmp_path / report["files"][0]).read_bytes().startswith(b"\x89PNG")


def test_every_module_imports(environment, loaded_after, import_all):
    code = import_all("edgediff_runtimes", "edgediff", without=("openvino", "ncnn"))
    loaded = loaded_after(code, python=environment.python)
    assert not loaded & TORCH


@pytest.mark.parametrize("chosen", [SAMPLE, pytest.param(TESTS, marks=pytest.mark.nightly)], ids=["sample", "all"])
def test_the_runtime_tests_pass(environment, root, tmp_path, figure, chosen):
    """Copied elsewhere, with the same settings, so that the checkout cannot be what they import."""
    environment.install(*TEST_TOOLS)
    for name in TESTS:
        shutil.copytree(root / "tests" / name, tmp_path / "tests" / name)
    shutil.copy(root / "tests" / "conftest.py", tmp_path / "tests")
    shutil.copy(root / "pyproject.toml", tmp_path)
    paths = [f"tests/{name}" for name in chosen]
    printed = environment.run("python", "-I", "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths, cwd=tmp_path)
    figure(f"the runtime's tests from the wheel, without torch: {printed.splitlines()[-1]}")
