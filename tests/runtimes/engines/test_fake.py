"""The fake engine keeps the promises of the seam, so that what passes with it can pass with a real one."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import EngineOptions, FakeEngine, Graph
from edgediff_runtimes.errors import Cancelled, DeviceError, EngineError
from edgediff_runtimes.tensors import TensorSpec

SPEC = TensorSpec("x", "float32", ("batch",))


@pytest.fixture
def engine():
    return FakeEngine(lambda role, feeds: {"x": feeds["x"] + len(role)})


@pytest.fixture
def load(engine, tmp_path):
    graph = Graph("unet", tmp_path / "nothing", "onnx", (SPEC,), (SPEC,))
    return lambda **options: engine.load(graph, **{"device": "auto", "options": EngineOptions(), **options})


def test_the_handler_answers(load):
    with load() as session:
        assert session.inputs == {"x": SPEC}
        assert session.outputs == {"x": SPEC}
        np.testing.assert_array_equal(session.run({"x": np.zeros(2)})["x"], [4, 4])


def test_open_sessions_are_counted(engine, load):
    first, second = load(), load()
    assert engine.open_sessions == ["unet", "unet"]
    first.close()
    first.close()
    assert engine.open_sessions == ["unet"]
    second.close()
    assert engine.open_sessions == []


def test_a_closed_session_does_not_run(load):
    session = load()
    session.close()
    with pytest.raises(EngineError, match="closed"):
        session.run({"x": np.zeros(2)})


def test_an_unknown_device_is_refused(load):
    with pytest.raises(DeviceError, match="`npu` is not available: expected one of cpu"):
        load(device="npu")


def test_a_cancelled_run_does_not_begin(load):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        load().run({"x": np.zeros(2)}, cancel=token)


def test_a_run_that_is_cancelled_meanwhile_ends_so(tmp_path):
    token = CancelToken()

    def handler(_role, feeds):
        token.cancel()
        return dict(feeds)

    graph = Graph("unet", tmp_path / "nothing", "onnx", (SPEC,), (SPEC,))
    session = FakeEngine(handler).load(graph, device="auto", options=EngineOptions())
    with pytest.raises(Cancelled):
        session.run({"x": np.zeros(2)}, cancel=token)
