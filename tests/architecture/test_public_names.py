"""``__all__`` says what is public: neither more nor less, and every name is there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import edgediff

ROOT = Path(__file__).parents[2]
LAZY = ROOT / "edgediff" / "__init__.py"
EXTRAS = ("ncnn",)
PACKAGES = {
    ".".join(path.parent.relative_to(top).parts): path
    for top in (ROOT, ROOT / "exporters", ROOT / "runtimes")
    for package in top.glob("edgediff*")
    for path in package.rglob("__init__.py")
    if path != LAZY
}


def _defined(tree):
    for node in tree.body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign():
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_what_a_package_offers(package):
    """What it defines without an underscore, and what it imports to pass on (ruff sees to imports without a use)."""
    tree = ast.parse(PACKAGES[package].read_text(encoding="utf-8"))
    defined = {name for name in _defined(tree) if not name.startswith("_")}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        pytest.skip(f"`{error.name}` is an extra that `dev` has not")
    # The command's package is a program, not a library: it has an entry point and no list.
    declared = set(vars(module).get("__all__", defined if package == "edgediff.cli" else ()))
    assert defined <= declared <= defined | imported
    assert declared <= set(dir(module))


def test_lazy_names_are_all_public_and_all_there():
    assert sorted([*edgediff._HOMES, "__version__"]) == sorted(edgediff.__all__) == dir(edgediff)
    for name in edgediff.__all__:
        getattr(edgediff, name)
    with pytest.raises(AttributeError, match="has no attribute `nonsense`"):
        _ = edgediff.nonsense


def test_type_checkers_see_the_same_homes():
    block = next(node for node in ast.parse(LAZY.read_text(encoding="utf-8")).body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == edgediff._HOMES
