"""The page as it is shipped: built from the sources in ``web/``, small, and honest about what it knows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess

import pytest

from edgediff.browser.page import FACTS, PAGE, Page, files
from edgediff_runtimes.bundle.tokenizer_kinds import TOKENIZER_KINDS
from edgediff_runtimes.recipe import KINDS
from edgediff_runtimes.sampling.reading.table import READINGS

LARGEST_BYTES = 300_000


@pytest.fixture
def web(root):
    return root / "web"


@pytest.fixture
def node(web):
    """Node, where it is there with what the page is built with."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node is not installed")
    if not (web / "node_modules" / "esbuild").is_dir():
        pytest.skip("`npm ci` was not run in web/")
    return found


def _digest(web):
    """As ``build.mjs`` makes it."""
    names = [path.relative_to(web).as_posix() for path in (web / "src").rglob("*") if path.is_file()]
    whole = hashlib.sha256()
    for name in sorted([*names, "build.mjs", "package-lock.json", "tsconfig.json"]):
        whole.update(f"{name}\0{hashlib.sha256((web / name).read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def test_what_is_committed_is_built_from_the_sources(web):
    assert Page.built().sources == _digest(web), "run `npm ci && npm run build` in web/"


def test_what_is_committed_is_what_the_sources_build(web, node, tmp_path):
    subprocess.run([node, "build.mjs", str(tmp_path / "page")], cwd=web, check=True, capture_output=True)
    built = {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()}
    assert built == {path.name: path.read_bytes() for path in PAGE.iterdir()}


def test_the_typescript_runtime_passes_its_tests(web, node):
    for command in ([node, "node_modules/typescript/bin/tsc", "--noEmit"], [node, "test/run.mjs"]):
        done = subprocess.run(command, cwd=web, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_the_page_is_small(figure):
    size = sum((PAGE / name).stat().st_size for name in files())
    figure(f"page of edgediff web: {size / 1e3:.0f} kB, at most {LARGEST_BYTES / 1e3:.0f}")
    assert size <= LARGEST_BYTES


def test_it_knows_nothing_that_this_runtime_does_not():
    page = Page.built()
    assert page.parts.keys() <= KINDS.keys()
    assert page.schedulers.keys() <= READINGS.keys()
    for kind, limits in page.parts.items():
        assert limits.keys() <= {field.name for field in dataclasses.fields(KINDS[kind])}
    for name, limits in page.schedulers.items():
        known = {**READINGS[name].fields, "use_flow_sigmas": False, "use_lu_lambdas": False}
        assert limits.keys() <= known.keys()
    assert page.tokenizers <= {*TOKENIZER_KINDS}


def test_packages_are_pinned_and_the_library_is_the_locked_one(web):
    asked = json.loads((web / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert all(version[0].isdigit() for version in asked.values())
    locked = json.loads((web / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in asked} == asked
    library = Page.built().library
    assert (library.version, library.integrity) == (
        asked[library.name],
        locked[f"node_modules/{library.name}"]["integrity"],
    )
    assert library.integrity.startswith("sha512-")


def test_facts_are_not_served():
    assert FACTS not in files()
    assert {"index.html", "page.js", "worker.js", "sw.js", "style.css"} == {*files()}
