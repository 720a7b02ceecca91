"""ONNX Runtime behind the seam, on graphs of a few hundred bytes (``tests/golden/make_engine_graphs.py``)."""

from __future__ import annotations

import threading
import time

import numpy as np
import onnxruntime as ort
import pytest

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.engines.onnxruntime_session import session_options
from edgediff_runtimes.errors import Cancelled, DeviceError, EngineError
from edgediff_runtimes.tensors import TensorSpec

HALF_A_MINUTE = 2_000_000  # trips of loop.onnx, about
PATIENCE_S = 20


@pytest.fixture
def load(golden):
    def load(name, *, path=None, format_="onnx", device="auto", **options):
        graph = Graph("unet", path or golden / "engines" / f"{name}.onnx", format_)
        return get_engine("onnxruntime").load(graph, device=device, options=EngineOptions(**options))

    return load


def _pair():
    return {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.full((2, 3), 10, np.float32)}


def _square(seed=0):
    return np.random.default_rng(seed).standard_normal((64, 64)).astype(np.float32)


def test_a_graph_says_what_it_takes_and_gives(load):
    with load("add") as session:
        assert session.inputs["a"] == TensorSpec("a", "float32", ("batch", 3))
        assert list(session.inputs) == ["a", "b"]
        assert list(session.outputs) == ["sum"]


@pytest.mark.parametrize(
    "options", [{}, {"threads": 1}, {"low_memory": True}, {"threads": 2, "low_memory": True}], ids=str
)
def test_a_graph_is_computed(load, options):
    with load("add", **options) as session:
        feeds = _pair()
        np.testing.assert_array_equal(session.run(feeds)["sum"], feeds["a"] + feeds["b"])


def test_a_scalar_has_no_axes(load):
    """A time step as optimum's graphs take it: with an axis too many their own slices fail."""
    with load("scalar") as session:
        row = session.run({"number": np.array(5, np.float32)})["row"]
    np.testing.assert_array_equal(row, np.array([5], np.float32), strict=True)


def test_an_array_in_another_order_is_computed(load):
    feeds = {"a": np.arange(6, dtype=np.float32).reshape(3, 2).T, "b": np.zeros((2, 3), np.float32)}
    with load("add") as session:
        np.testing.assert_array_equal(session.run(feeds)["sum"], feeds["a"])


def test_low_memory_gives_the_same_numbers(load):
    feeds = {"x": _square(), "trips": np.array(50)}
    with load("loop") as usual, load("loop", low_memory=True) as sparing:
        np.testing.assert_array_equal(usual.run(feeds)["y"], sparing.run(feeds)["y"])


@pytest.mark.parametrize("low_memory", [False, True])
def test_results_belong_to_the_caller(load, low_memory):
    with load("add", low_memory=low_memory) as session:
        first = session.run(_pair())["sum"]
        kept = first.copy()
        for value in range(5):
            session.run({"a": np.full((2, 3), value, np.float32), "b": np.zeros((2, 3), np.float32)})
        np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(first, kept)  # also after the session is gone


def test_feeds_are_not_written_to_and_need_not_be_contiguous(load):
    wide = np.arange(12, dtype=np.float32).reshape(2, 6)
    feeds = {"a": wide[:, ::2], "b": np.zeros((3, 2), np.float32).T}
    with load("add") as session:
        np.testing.assert_array_equal(session.run(feeds)["sum"], wide[:, ::2])
    np.testing.assert_array_equal(wide, np.arange(12).reshape(2, 6))


def test_a_component_casts_to_half_precision(load):
    with load("half") as session:
        loaded = Loaded("unet", session)
        got = loaded.run({"a": np.array([0.5, 1.25, 2049], np.float64)}, ["twice"])["twice"]
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, np.array([1.0, 2.5, 4096], np.float16))


@pytest.mark.parametrize("feeds", [{"a": _pair()["a"]}, {**_pair(), "c": np.zeros(1, np.float32)}, {}], ids=len)
def test_a_component_refuses_missing_and_unknown_inputs(load, feeds):
    with load("add") as session, pytest.raises(EngineError, match="`unet` takes a, b: got"):
        Loaded("unet", session).run(feeds, ["sum"])


def test_a_component_without_the_output_is_named(load):
    with load("add") as session, pytest.raises(EngineError, match="`unet` gives sum: expected `out_sample`"):
        Loaded("unet", session).run(_pair(), ["out_sample"])


@pytest.mark.parametrize(
    "change",
    [
        {"a": np.zeros((2, 3), np.float64)},
        {"a": np.zeros((2, 3), np.int64)},
        {"a": np.zeros((2, 4), np.float32)},
        {"a": np.zeros((2, 3, 1), np.float32)},
        {"c": np.zeros((2, 3), np.float32)},
    ],
    ids=["double", "integer", "width", "rank", "name"],
)
def test_a_session_refuses_what_the_graph_does_not_take(load, change):
    with load("add") as session:
        with pytest.raises(EngineError, match="ONNX Runtime failed in `unet`: ") as caught:
            session.run({**_pair(), **change})
        assert "\n" not in caught.value.sentence
        assert isinstance(caught.value, RuntimeError)
        np.testing.assert_array_equal(session.run(_pair())["sum"][0], [10, 11, 12])


def test_a_missing_input_is_an_engine_error(load):
    with load("add") as session, pytest.raises(EngineError, match="`unet`"):
        session.run({"a": _pair()["a"]})


@pytest.mark.parametrize("content", [b"", b"not a graph", None], ids=["empty", "text", "cut"])
def test_a_corrupted_file(load, golden, tmp_path, content):
    path = tmp_path / "model.onnx"
    whole = (golden / "engines" / "add.onnx").read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(EngineError, match="ONNX Runtime cannot load `unet`: ") as caught:
        load("add", path=path)
    assert "\n" not in caught.value.sentence


def test_a_missing_file(load, tmp_path):
    with pytest.raises(EngineError, match="cannot load `unet`"):
        load("add", path=tmp_path / "nothing.onnx")


def test_a_path_with_letters_of_all_kinds(load, golden, tmp_path):
    path = tmp_path / "моя модель 猫 🍎.onnx"
    path.write_bytes((golden / "engines" / "add.onnx").read_bytes())
    with load("add", path=path) as session:
        assert session.run(_pair())["sum"].shape == (2, 3)


@pytest.mark.parametrize("device", ["npu", "cuda", "CPU", ""])
def test_an_unknown_device(load, device):
    with pytest.raises(DeviceError, match="is not available: expected one of cpu"):
        load("add", device=device)


def test_another_format(load):
    with pytest.raises(EngineError, match="its format is `openvino`, expected `onnx`"):
        load("add", format_="openvino")


def test_a_closed_session(load):
    session = load("add")
    session.close()
    session.close()
    with pytest.raises(EngineError, match="`unet` is closed"):
        session.run(_pair())


def test_a_cancelled_run_does_not_begin(load):
    token = CancelToken()
    token.cancel()
    with load("loop") as session, pytest.raises(Cancelled):
        session.run({"x": _square(), "trips": np.array(HALF_A_MINUTE)}, cancel=token)


def _cancel_when_running(token):
    while token._interrupt is None:
        time.sleep(0.001)
    time.sleep(0.1)  # into the loop, most likely; either way the run must end
    token.cancel()


def test_a_run_is_cancelled_in_its_middle_and_the_session_works_on(load):
    feeds = {"x": _square(1), "trips": np.array(200)}
    with load("loop") as session, load("loop") as fresh:
        for _ in range(3):
            token = CancelToken()
            thread = threading.Thread(target=_cancel_when_running, args=(token,))
            thread.start()
            with pytest.raises(Cancelled):
                session.run({"x": _square(), "trips": np.array(HALF_A_MINUTE)}, cancel=token)
            thread.join(PATIENCE_S)
            np.testing.assert_array_equal(session.run(feeds)["y"], fresh.run(feeds)["y"])


def test_nothing_is_printed_of_what_is_raised(load, golden, tmp_path, capfd):
    token = CancelToken()
    thread = threading.Thread(target=_cancel_when_running, args=(token,))
    with load("loop") as session:
        thread.start()
        with pytest.raises(Cancelled):
            session.run({"x": _square(), "trips": np.array(HALF_A_MINUTE)}, cancel=token)
        thread.join(PATIENCE_S)
        with pytest.raises(EngineError):
            session.run({"x": _square()[:1], "trips": np.array(1)})
    (tmp_path / "model.onnx").write_bytes((golden / "engines" / "add.onnx").read_bytes()[:70])
    with pytest.raises(EngineError):
        load("add", path=tmp_path / "model.onnx")
    assert capfd.readouterr() == ("", "")


def test_cancelling_one_run_leaves_the_other_alone(load):
    token, results = CancelToken(), []
    feeds = {"x": _square(2), "trips": np.array(20_000)}
    with load("loop") as session:
        other = threading.Thread(target=lambda: results.append(session.run(feeds, cancel=CancelToken())["y"]))
        canceller = threading.Thread(target=_cancel_when_running, args=(token,))
        other.start()
        canceller.start()
        with pytest.raises(Cancelled):
            session.run({"x": _square(), "trips": np.array(HALF_A_MINUTE)}, cancel=token)
        canceller.join(PATIENCE_S)
        other.join(PATIENCE_S)
        np.testing.assert_array_equal(results[0], session.run(feeds)["y"])


def test_a_token_that_was_used_up_does_not_touch_the_next_run(load):
    token = CancelToken()
    with load("loop") as session:
        feeds = {"x": _square(), "trips": np.array(10)}
        session.run(feeds, cancel=token)
        token.cancel()
        assert session.run(feeds, cancel=CancelToken())["y"].shape == (64, 64)


def test_half_weights_are_widened_one_by_one_where_memory_is_short():
    order = {
        precision: session_options(precision, EngineOptions(low_memory=True)).execution_order
        for precision in ("fp32", "fp16", "w16", "w8")
    }
    assert order == {**dict.fromkeys(order, ort.ExecutionOrder.DEFAULT), "fp16": ort.ExecutionOrder.PRIORITY_BASED}
