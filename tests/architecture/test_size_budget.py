"""Small files, small functions, a docstring for every module."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("edgediff", "exporters/edgediff_exporters", "runtimes/edgediff_runtimes")
LONGEST_FILE = 400
MEDIAN_FILE = 120
LONGEST_FUNCTION = 60


def _files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def _lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def _functions(path):
    """Every function with its length, docstring included and decorators (a command's options) not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("folder", PACKAGES)
def test_no_file_is_long_and_the_median_is_short(folder):
    lengths = {str(path.relative_to(ROOT)): _lines(path) for path in _files(folder)}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}
    assert median(lengths.values()) <= MEDIAN_FILE


@pytest.mark.parametrize("folder", [*PACKAGES, "benchmarks"])
def test_no_function_is_long(folder):
    lengths = dict(item for path in _files(folder) for item in _functions(path))
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("folder", [*PACKAGES, "benchmarks"])
def test_every_module_has_a_docstring(folder):
    bare = [str(p.relative_to(ROOT)) for p in _files(folder) if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert bare == []
