"""A graph that is several files of fixed shapes: which one computes a call, and calls of more rows than it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.bundle import Bundle, FileEntry, FixedGraph, Manifest, Package
from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph
from edgediff_runtimes.errors import EngineError, ManifestError
from edgediff_runtimes.fixed_graphs import each_file, load_graph
from edgediff_runtimes.tensors import TensorSpec

SMALL, LARGE = {"batch": 1, "width": 2}, {"batch": 1, "width": 3}
GOLDEN = Path(__file__).parents[1] / "golden" / "bundle" / "edgediff.json"


@pytest.fixture
def calls():
    return []


@pytest.fixture
def engine(calls):
    def twice(_role, feeds):
        calls.append(feeds["x"].shape)
        return {"y": feeds["x"] * 2 + feeds["t"]}

    return FakeEngine(twice)


@pytest.fixture
def graph(tmp_path):
    inputs = TensorSpec("x", "float32", ("batch", 1, "width")), TensorSpec("t", "float32", (1,))
    outputs = (TensorSpec("y", "float32", ("batch", 1, "width")),)
    fixed = {tmp_path / "small": SMALL, tmp_path / "large": LARGE}
    return Graph("unet", tmp_path / "small", "onnx", inputs, outputs, fixed=fixed)


def feeds(rows, width):
    return {"x": np.arange(rows * width, dtype=np.float32).reshape(rows, 1, width), "t": np.ones(1, np.float32)}


def loaded(engine, graph):
    return load_graph(engine, graph, device="auto", options=EngineOptions())


def test_each_file_has_lengths_alone(graph):
    small, large = each_file(graph)
    assert [spec.shape for spec in small.inputs] == [(1, 1, 2), (1,)]
    assert [spec.shape for spec in large.inputs] == [(1, 1, 3), (1,)]
    assert (small.path.name, large.path.name) == ("small", "large")


@pytest.mark.parametrize("width", [2, 3])
def test_a_call_of_several_rows_is_one_call_for_each(engine, graph, calls, width):
    with loaded(engine, graph) as session:
        given = feeds(4, width)
        np.testing.assert_array_equal(session.run(given)["y"], given["x"] * 2 + 1)
    assert calls == [(1, 1, width)] * 4


def test_one_graph_stays_loaded(engine, graph):
    with loaded(engine, graph) as session:
        session.run(feeds(1, 2))
        session.run(feeds(1, 3))
        assert engine.open_sessions == ["unet"]
    assert engine.open_sessions == []


def test_other_lengths_are_refused_with_the_list(engine, graph):
    with (
        loaded(engine, graph) as session,
        pytest.raises(EngineError, match="no graph of `unet` is for width 5: expected width 2; or width 3"),
    ):
        session.run(feeds(1, 5))


def test_a_closed_one_is_refused(engine, graph):
    session = loaded(engine, graph)
    session.close()
    with pytest.raises(EngineError, match="is closed"):
        session.run(feeds(1, 2))


PACKAGE = Package(
    (
        FileEntry("unet/model.mlpackage/Manifest.json", 617, "0" * 64),
        FileEntry("unet/model.mlpackage/weights.bin", 12, "1" * 64),
    ),
    2e-3,
)


@pytest.fixture
def manifest():
    plain = Manifest.from_json(GOLDEN.read_text(encoding="utf-8"))
    unet = plain.components["unet"]
    fixed = (FixedGraph(unet.files[0].path, {"batch": 1, "sequence": 12, "height": 8, "width": 8}, PACKAGE),)
    return replace(
        plain,
        components={**plain.components, "unet": replace(unet, fixed=fixed)},
        target="openvino-npu",
        sizes=((64, 64),),
    )


def test_a_manifest_with_fixed_graphs_is_read_back(manifest):
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert {*PACKAGE.files} < {*Bundle(GOLDEN.parent, manifest).files()}
    unet = manifest.components["unet"]
    bare = replace(manifest, components={"unet": replace(unet, fixed=(replace(unet.fixed[0], package=None),))})
    assert '"package"' not in bare.to_json()


def test_a_manifest_without_them_is_as_it_was():
    text = GOLDEN.read_text(encoding="utf-8")
    written = Manifest.from_json(text).to_json()
    assert not {'"fixed"', '"sizes"', '"target"'} & {*written.replace(":", " ").split()}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"file": "unet/model.onnx"', '"file": "unet/model.other"', "among its files"),
        ('"sequence": 12,\n            "height"', '"height"', "the lengths of batch, height, sequence, width"),
        ('"sequence": 12', '"sequence": 0', "at least 1"),
        ('"sizes": [\n    [\n      64,', '"sizes": [\n    [\n      0,', "widths and heights"),
        (
            '"unet/model.mlpackage/Manifest.json"',
            '"unet/Manifest.json"',
            "in a directory `unet/model.…`",
        ),
        ('"unet/model.mlpackage/Manifest.json"', '"unet/model.onnx"', "in a directory `unet/model.…`"),
        ('"unet/model.mlpackage/Manifest.json"', '"unet/model.onnx_data"', "in a directory `unet/model.…`"),
        ('"unet/model.mlpackage/weights.bin"', '"unet/model.other/weights.bin"', "in a directory `unet/model.…`"),
    ],
    ids=["file", "axes", "length", "size", "package", "the graph itself", "no directory", "two directories"],
)
def test_a_manifest_that_cannot_be_is_refused(manifest, old, new, problem):
    text = manifest.to_json()
    assert old in text
    with pytest.raises(ManifestError, match=problem):
        Manifest.from_json(text.replace(old, new))
