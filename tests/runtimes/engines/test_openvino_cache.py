"""OpenVINO's compiled graphs in the cache: found again, and not where anything about them changed."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from edgediff_runtimes.compiled_cache import CompiledCache


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A cache of this test's own."""
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "cache"))
    return CompiledCache.of_user


def _from_cache(session):
    return session._model(None).compiled.get_property("LOADED_FROM_CACHE")


@pytest.mark.parametrize("format_", ["onnx", "openvino"])
def test_the_second_load_finds_the_first(load, cache, format_):
    feeds = {"x": np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)}
    with load("chain", format_=format_) as session:
        assert not _from_cache(session)
        first = session.run(feeds)["y"]
    with load("chain", format_=format_) as session:
        assert _from_cache(session)
        assert (list(session.inputs), list(session.outputs)) == (["x"], ["y"])
        np.testing.assert_array_equal(session.run(feeds)["y"], first)
    (entry,) = cache().entries()
    assert entry.about["role"] == "unet"
    assert (entry.about["engine"], entry.about["device"], entry.about["execution"]) == ("openvino", "cpu", "f32")


def test_other_settings_are_another_entry(load, cache):
    for options in ({}, {"threads": 1}, {"device": "auto-plugin"}):
        for _ in range(2):
            load("add", **options).close()
    assert len(cache().entries()) == 3


def test_an_altered_graph_is_compiled_again(load, cache, golden, pair, tmp_path):
    path = tmp_path / "graph" / "model.onnx"
    path.parent.mkdir()
    shutil.copy(golden / "engines" / "add.onnx", path)
    with load("add", path=path) as session:
        assert session.run(pair)["sum"].shape == (2, 3)
    data = path.read_bytes()
    assert data.count(b"Add") == 1
    path.write_bytes(data.replace(b"Add", b"Sub"))  # as long as it was
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    with load("add", path=path) as session:
        np.testing.assert_array_equal(session.run(pair)["sum"], pair["a"] - pair["b"])
    assert len(cache().entries()) == 2


def test_altered_weights_are_another_graph(load, cache, ir, tmp_path):
    path = tmp_path / "graph" / "openvino_model.xml"
    shutil.copytree(ir("chain").parent, path.parent)
    feeds = {"x": np.ones((1, 64), np.float32)}
    with load("chain", path=path, format_="openvino") as session:
        np.testing.assert_allclose(session.run(feeds)["y"], 1, rtol=1e-5)
    weights = path.with_suffix(".bin")
    mean = np.float32(1 / 64).tobytes()
    assert mean in weights.read_bytes()
    weights.write_bytes(weights.read_bytes().replace(mean, bytes(4)))  # as long as it was
    with load("chain", path=path, format_="openvino") as session:
        np.testing.assert_array_equal(session.run(feeds)["y"], 0)
    assert len(cache().entries()) == 2


def test_a_truncated_blob_is_compiled_again(load, cache, pair):
    load("add").close()
    (blob,) = (file for file in (cache().path / cache().entries()[0].name).iterdir() if file.suffix == ".blob")
    with blob.open("r+b") as file:
        file.truncate(blob.stat().st_size // 2)
    with load("add") as session:
        np.testing.assert_array_equal(session.run(pair)["sum"], pair["a"] + pair["b"])


@pytest.mark.parametrize("place", ["file", "nothing kept"])
def test_a_cache_that_cannot_be_used_stops_nothing(load, cache, pair, place, monkeypatch, tmp_path):
    if place == "file":
        (tmp_path / "cache").write_text("a file where the folder should be", encoding="utf-8")
    else:
        monkeypatch.setenv("EDGEDIFF_CACHE_LIMIT", "0")
    with load("add") as session:
        np.testing.assert_array_equal(session.run(pair)["sum"], pair["a"] + pair["b"])
    assert cache().entries() == ()


def test_what_will_not_be_there_again_is_not_kept(load, cache):
    load("add", keep_compiled=False).close()
    assert cache().entries() == ()
    load("add").close()
    assert len(cache().entries()) == 1
