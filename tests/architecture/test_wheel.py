"""The wheel holds what it should and asks for what it needs. Ring five of the freedom from torch: its metadata."""

from __future__ import annotations

import ast
import sys
import zipfile
from email.parser import HeaderParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import edgediff

PACKAGES = {
    "edgediff": "edgediff",
    "edgediff_exporters": "exporters/edgediff_exporters",
    "edgediff_runtimes": "runtimes/edgediff_runtimes",
}
# Where imports beyond the base install may stand; which module of the runtime has them is the import contract's matter.
EXTRAS = {"edgediff_exporters": ("export",), "edgediff_runtimes": ("openvino", "ncnn", "coreml")}
EVERY = ("export", "openvino", "ncnn", "coreml", "dev")
BASE = {"numpy", "onnxruntime", "tokenizers", "pillow", "click", "rich"}
LARGEST_BYTES = 16_000_000


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def requirements(metadata):
    return [Requirement(line) for line in metadata.get_all("Requires-Dist")]


def test_the_base_install_asks_for_six_packages(requirements):
    assert {canonicalize_name(item.name) for item in requirements if item.marker is None} == BASE


def test_everything_else_belongs_to_an_extra(requirements):
    rest = [item for item in requirements if item.marker is not None]
    assert {"torch", "diffusers", "transformers"} <= {canonicalize_name(item.name) for item in rest}
    for item in rest:
        assert not item.marker.evaluate({"extra": ""}), item
        assert any(item.marker.evaluate({"extra": extra}) for extra in EVERY), item


def _imported(node):
    """Modules that code imports when it runs; not what only type checkers see."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield "." * node.level + (node.module or "")
    elif not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from _imported(child)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_imported_is_asked_for(root, requirements, package):
    """Not only brought along by something else that is."""
    extras = EXTRAS.get(package, ())
    asked = {
        canonicalize_name(item.name)
        for item in requirements
        if item.marker is None or any(item.marker.evaluate({"extra": extra}) for extra in extras)
    }
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (root / PACKAGES[package]).rglob("*.py")]
    roots = {name.partition(".")[0] for tree in trees for name in _imported(tree)} - {""}
    # Of extras that the environment of the tests has not, or not everywhere.
    homes = {"ncnn": ["ncnn"], "coremltools": ["coremltools"], **packages_distributions()}
    third_party = roots - sys.stdlib_module_names - set(PACKAGES)
    unasked = {name for name in third_party if not asked & {canonicalize_name(home) for home in homes.get(name, ())}}
    assert third_party
    assert unasked == set()


def test_name_version_licence_and_python(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("edgediff", edgediff.__version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0 AND MIT", ">=3.10")


def test_every_file_of_the_packages_and_nothing_else(root, names):
    expected = {
        f"{package}/{path.relative_to(root / folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_kinds_of_files(names):
    packed = {Path(name) for name in names if ".dist-info/" not in name}
    models = {path for path in packed if path.parts[:2] == ("edgediff", "models")}
    layouts = {path for path in packed if path.parts[:3] == ("edgediff_exporters", "families", "layouts")}
    page = {path for path in packed if path.parts[:3] == ("edgediff", "browser", "page")}
    assert {path.name for path in packed - models - layouts - page if path.suffix != ".py"} == {"py.typed"}
    assert {path.suffix for path in page} == {".html", ".css", ".js", ".json"}
    assert {path.suffix for path in layouts} == {".json", ".gz", ""}  # configs, CLIP's merges and their licence
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    # Nothing that could run when it is read: no pickles under any of their names. The record of quality, an archive of
    # arrays, is read without them.
    assert {path.suffix for path in models} <= {".onnx", ".data", ".json", ".txt", ".md", ".npz", ""}
    assert {path.name for path in models if path.suffix == ".npz"} == {"reference.npz"}


def test_licence_command_and_hooks_are_packed(wheel, names):
    info = f"edgediff-{edgediff.__version__}.dist-info"
    assert f"{info}/licenses/LICENSE" in names
    assert f"{info}/licenses/exporters/edgediff_exporters/families/layouts/clip/LICENSE" in names
    with zipfile.ZipFile(wheel) as archive:
        points = archive.read(f"{info}/entry_points.txt").decode()
    assert "edgediff = edgediff.cli:main" in points
    assert "[pyinstaller40]\nhook-dirs = edgediff.freezing:hook_folders" in points
    assert "edgediff/freezing/hook-edgediff.py" in names


def test_size(wheel, figure):
    size = wheel.stat().st_size
    figure(f"wheel: {size / 1e6:.2f} MB, at most {LARGEST_BYTES / 1e6:.0f}")
    assert size <= LARGEST_BYTES
