"""Graphs that a provider compiled are kept and loaded again. The processor's provider stands for it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.compiled_cache import CompiledCache
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine, onnxruntime_session
from edgediff_runtimes.engines.onnxruntime_assignment import RECORD
from edgediff_runtimes.engines.onnxruntime_contexts import CONTEXT, MAKE
from edgediff_runtimes.engines.onnxruntime_providers import Provider, Reached
from edgediff_runtimes.engines.onnxruntime_session import OnnxRuntimeSession, Opener
from edgediff_runtimes.errors import EngineError
from edgediff_runtimes.tensors import TensorSpec

ROW = Provider(
    "CPUExecutionProvider", "chip", "npu", "", "onnxruntime", fixed="of a test", execution="f16", contexts=True
)
pytestmark = pytest.mark.usefixtures("cache")
FEEDS = {"a": np.ones((2, 3), np.float32), "b": np.ones((2, 3), np.float32)}


@pytest.fixture
def graph(golden):
    with get_engine("onnxruntime").load(
        Graph("unet", golden / "engines" / "add.onnx", "onnx"), device="cpu", options=EngineOptions()
    ) as known:
        inputs = tuple(TensorSpec(name, "float32", (2, 3)) for name in known.inputs)
        return Graph("unet", golden / "engines" / "add.onnx", "onnx", inputs, tuple(known.outputs.values()))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty one."""
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "kept"))


@pytest.fixture
def opened(monkeypatch):
    """Paths that were opened; where a context is asked for, a copy of the graph is written as it."""
    paths, load = [], onnxruntime_session.ort.InferenceSession

    def session(model, sess_options, providers):
        paths.append(Path(model))
        if any(entry_of(sess_options, name) == value for name, value in MAKE.items()):
            target = Path(entry_of(sess_options, "ep.context_file_path"))
            target.write_bytes(Path(model).read_bytes())
        if session.broken and Path(model).name == CONTEXT:
            raise RuntimeError("made for another driver")
        plain = onnxruntime_session.ort.SessionOptions()
        plain.add_session_config_entry(*RECORD)
        return load(model, sess_options=plain, providers=providers)

    session.broken = False
    monkeypatch.setattr(onnxruntime_session.ort, "InferenceSession", session)
    return session, paths


def entry_of(options, name):
    try:
        return options.get_session_config_entry(name)
    except RuntimeError:
        return None


def load(graph, *, index="57", **options):
    return OnnxRuntimeSession(Opener(graph, Reached(ROW, index=index), EngineOptions(**options)))


def test_a_context_is_made_once_and_loaded_again(graph, opened):
    _, paths = opened
    for _ in range(2):
        with load(graph) as session:
            assert session.execution == "f16"
            np.testing.assert_array_equal(session.run(FEEDS)["sum"], np.full((2, 3), 2, np.float32))
    (entry,) = CompiledCache.of_user().entries()
    assert paths == [graph.path, CompiledCache.of_user().path / entry.name / CONTEXT]
    assert {name: entry.about[name] for name in ("role", "engine", "device", "execution")} == {
        "role": "unet",
        "engine": "onnxruntime",
        "device": "chip.57",
        "execution": "f16",
    }


def test_another_chip_and_another_graph_have_their_own(graph, opened, tmp_path):
    _, paths = opened
    load(graph).close()
    load(graph, index="60").close()
    moved = tmp_path / "add.onnx"
    moved.write_bytes(graph.path.read_bytes())
    load(replace(graph, path=moved)).close()
    os.utime(moved, (0, 0))
    load(replace(graph, path=moved)).close()
    assert len(CompiledCache.of_user().entries()) == 4
    assert CONTEXT not in {path.name for path in paths}


def test_one_that_cannot_be_loaded_is_compiled_anew(graph, opened):
    session, paths = opened
    load(graph).close()
    session.broken = True
    load(graph).close()
    assert [path.name for path in paths] == ["add.onnx", CONTEXT, "add.onnx"]
    assert CompiledCache.of_user().entries() == ()


@pytest.mark.usefixtures("opened")
def test_nothing_is_kept_where_nothing_shall_be(graph):
    load(graph, keep_compiled=False).close()
    assert CompiledCache.of_user().entries() == ()


def test_a_graph_that_the_device_cannot_take_is_one_sentence(graph, monkeypatch):
    def refuse(*_args, **_options):
        raise RuntimeError("[ONNXRuntimeError] : 11 : EP_FAIL : Failed to finalize QNN graph. Code: 1002")

    monkeypatch.setattr(onnxruntime_session.ort, "InferenceSession", refuse)
    with pytest.raises(EngineError, match=r"cannot load `unet`: .*Failed to finalize QNN graph"):
        load(graph)
    assert CompiledCache.of_user().entries() == ()
