"""ONNX Runtime's web library: fetched once, compared with its digest, kept."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edgediff.browser import library as libraries
from edgediff.browser.library import FILES, find_library
from edgediff.browser.page import Library
from edgediff_runtimes.errors import EdgediffError


@pytest.fixture
def archive():
    """An npm package with the files, and one more."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as package:
        for name in (*FILES, "other.js"):
            data = name.encode()
            about = tarfile.TarInfo(f"package/dist/{name}")
            about.size = len(data)
            package.addfile(about, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture
def registry(archive, monkeypatch, tmp_path):
    """A registry that has the archive, and the list of what it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(archive)))
            self.end_headers()
            self.wfile.write(archive)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(libraries, "_REGISTRY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield asked
    server.shutdown()
    thread.join()
    server.server_close()


def _library(archive):
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    return Library("onnxruntime-web", "1.2.3", f"sha512-{digest}")


def _quiet(*_):
    pass


def test_it_is_fetched_once_and_kept(archive, registry, tmp_path):
    told = []
    first = find_library(_library(archive), None, lambda *progress: told.append(progress))
    assert {path.name for path in first.iterdir()} == set(FILES)
    assert first.is_relative_to(tmp_path / "cache")
    assert told[-1] == ("fetching onnxruntime-web 1.2.3", len(archive), len(archive))
    assert find_library(_library(archive), None, _quiet) == first
    assert registry == ["/onnxruntime-web/-/onnxruntime-web-1.2.3.tgz"]
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_the_cache_shows_and_clears_it(archive, registry, tmp_path, command):
    kept = find_library(_library(archive), None, _quiet)
    assert registry
    size = sum(path.stat().st_size for path in kept.iterdir())
    about = json.loads(command("cache", "--json").out)["web"]
    assert about == {"path": str(tmp_path / "cache" / "web"), "entries": 1, "bytes": size}
    assert f"{tmp_path / 'cache' / 'web'}: onnxruntime-web-1.2.3, " in command("cache").out
    assert "; onnxruntime-web-1.2.3" in command("cache", "--clear").err
    assert not kept.exists()
    assert json.loads(command("cache", "--json").out)["web"]["entries"] == 0


def test_what_is_not_the_package_is_refused_and_not_kept(archive, registry, tmp_path):
    with pytest.raises(EdgediffError, match=r"is not onnxruntime-web 1\.2\.3: its digest is sha512-"):
        find_library(_library(archive + b"."), None, _quiet)
    assert len(registry) == 1
    assert not (tmp_path / "cache").exists()


def test_an_archive_without_a_file_of_its_own_is_refused(registry, monkeypatch, archive):
    monkeypatch.setattr(libraries, "FILES", (*FILES, "missing.wasm"))
    with pytest.raises(EdgediffError, match=r"cannot be kept in the cache.*missing\.wasm"):
        find_library(_library(archive), None, _quiet)
    assert registry


def test_without_a_network_it_is_one_sentence(archive, monkeypatch, tmp_path):
    monkeypatch.setattr(libraries, "_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "cache"))
    with pytest.raises(EdgediffError, match="cannot be fetched from") as caught:
        find_library(_library(archive), None, _quiet)
    assert caught.value.hint == "`wasm` names a folder with that npm package, unpacked"
