"""The runtime is free of torch: rings one to three (contract, linter, fresh interpreter). Four and five: the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration

ROOT = Path(__file__).parents[2]
PACKAGES = ("edgediff", "exporters/edgediff_exporters", "runtimes/edgediff_runtimes")
CONTRACTS = read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
OF_EXTRAS = "OpenVINO, ncnn and coremltools are extras: only their engines import them"
FORBIDDEN, EXTRA = (contract["forbidden_modules"] for contract in CONTRACTS if contract["type"] == "forbidden")


def test_the_contract_forbids_all_that_is_or_brings_torch():
    assert set(FORBIDDEN) >= {"torch", "diffusers", "transformers", "optimum", "onnx", "onnxscript", "safetensors"}


@pytest.fixture
def copy(tmp_path):
    """A copy of the packages and their contracts, to plant something in."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "models")
        shutil.copytree(ROOT / package, tmp_path / Path(package).name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint_imports(folder):
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "planted", "broken"),
    [
        ("edgediff_runtimes/previews.py", "import torch", "The runtime never imports torch or what imports torch"),
        ("edgediff_runtimes/engines/base.py", "import onnx", "The runtime never imports torch or what imports torch"),
        ("edgediff_runtimes/text/clip.py", "import edgediff_exporters", "Layers: command > api > exporter > runtime"),
        ("edgediff_exporters/tracing.py", "import edgediff.api", "Layers: command > api > exporter > runtime"),
        ("edgediff_runtimes/components.py", "import openvino", OF_EXTRAS),
        ("edgediff/api.py", "import openvino", OF_EXTRAS),
        ("edgediff_runtimes/engines/ncnn/session.py", "import ncnn", OF_EXTRAS),
        ("edgediff_runtimes/engines/coreml/session.py", "import coremltools", OF_EXTRAS),
    ],
)
def test_the_contracts_catch_a_planted_import(copy, module, planted, broken):
    path = copy / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{planted}\n", encoding="utf-8")
    done = _lint_imports(copy)
    assert done.returncode == 1, done.stderr
    assert f"{broken} BROKEN" in done.stdout


def _ruff(source, path):
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", path, "--select", "TID251", "-"]
    return subprocess.run(command, input=source, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", [*FORBIDDEN, *EXTRA, "onnxruntime"])
@pytest.mark.parametrize("path", ["runtimes/edgediff_runtimes/sampling/planted.py", "edgediff/planted.py"])
def test_ruff_refuses_an_import_and_says_why(module, path):
    done = _ruff(f"import {module}\n", path)
    assert done.returncode == 1
    assert f"TID251 `{module}` is banned: " in done.stdout


def test_ruff_lets_the_exporter_have_torch():
    assert _ruff("import torch\n", "exporters/edgediff_exporters/planted.py").returncode == 0


def test_importing_every_module_loads_none_of_it(loaded_after, import_all):
    loaded = loaded_after(import_all("edgediff_runtimes", "edgediff", without=("ncnn",)))
    assert {"edgediff_runtimes", "onnxruntime", "numpy"} <= loaded
    assert not loaded & set(FORBIDDEN)


def test_importing_every_public_name_loads_none_of_it(loaded_after):
    loaded = loaded_after("import edgediff\nfor name in edgediff.__all__: getattr(edgediff, name)")
    assert "edgediff_runtimes" in loaded
    assert not loaded & {*FORBIDDEN, *EXTRA}


def test_import_edgediff_costs_next_to_nothing(loaded_after):
    loaded = loaded_after("import edgediff")
    assert not loaded & {"edgediff_runtimes", "edgediff_exporters", "numpy", "onnxruntime", "PIL", "rich", "click"}


@pytest.mark.parametrize("command", ["", "run", "export", "inspect", "verify", "devices", "cache"])
def test_help_loads_no_engine(loaded_after, command):
    code = f"""
from edgediff.cli import main
sys.argv = ["edgediff", *{command!r}.split(), "--help"]
try:
    main()
except SystemExit as error:
    assert not error.code
"""
    loaded = loaded_after(code)
    assert "click" in loaded
    assert not loaded & {"onnxruntime", "numpy", "PIL", "tokenizers", "edgediff_exporters", *FORBIDDEN, *EXTRA}
