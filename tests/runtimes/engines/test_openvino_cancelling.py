"""Runs of OpenVINO's that are ended inside the graph, and what comes after them."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.errors import Cancelled, EngineError

LONG = 300_000  # rows that keep chain.onnx busy for some ten seconds
PATIENCE_S = 60


def _rows(count, seed=0):
    return {"x": np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32)}


@pytest.fixture(scope="module")
def long():
    return {"x": np.ones((LONG, 64), np.float32)}


def _cancel_when_running(token, after_s=0.1):
    while token._interrupt is None:
        time.sleep(0.001)
    time.sleep(after_s)  # into the graph, most likely; either way the run must end
    token.cancel()


def _cancelled(session, feeds):
    token = CancelToken()
    thread = threading.Thread(target=_cancel_when_running, args=(token,))
    thread.start()
    with pytest.raises(Cancelled):
        session.run(feeds, cancel=token)
    thread.join(PATIENCE_S)


def test_a_cancelled_run_does_not_begin(load, long):
    token = CancelToken()
    token.cancel()
    with load("chain") as session, pytest.raises(Cancelled):
        session.run(long, cancel=token)


def test_a_cancel_just_before_the_start_is_not_lost(load, long, monkeypatch):
    token = CancelToken()
    with load("chain") as session:
        ov = type(session._model(None).compiled.create_infer_request())
        start = ov.start_async

        def late(request, *arguments):
            token.cancel()  # the request is not running yet: its own cancel finds nothing to end
            return start(request, *arguments)

        monkeypatch.setattr(ov, "start_async", late)
        with pytest.raises(Cancelled):
            session.run(long, cancel=token)


@pytest.mark.parametrize("format_", ["onnx", "openvino"])
def test_the_session_works_on_after_a_cancel_in_the_middle(load, long, format_, capfd):
    with load("chain", format_=format_) as session, load("chain", format_=format_) as fresh:
        for count in (40, 40, 33):
            _cancelled(session, long)
            np.testing.assert_array_equal(session.run(_rows(count))["y"], fresh.run(_rows(count))["y"])
    assert capfd.readouterr() == ("", "")


def test_shapes_of_the_cancelled_run_do_not_stay(load, long):
    """The next run has the shapes of the last that finished; OpenVINO by itself then computes in the cancelled ones."""
    with load("chain") as session:
        before = session.run(_rows(40))["y"]
        compiled = session._model(None)
        _cancelled(session, long)
        after = session.run(_rows(40))["y"]
        assert session._model(None) is not compiled
    np.testing.assert_array_equal(before, after)


def test_a_graph_that_only_ever_had_one_shape_is_not_compiled_again(load, long):
    with load("chain") as session:
        compiled = session._model(None)
        _cancelled(session, long)
        assert session.run(_rows(3))["y"].shape == (3, 64)
        assert session._model(None) is compiled


def test_cancelling_one_run_leaves_the_others_right(load, long):
    """They share the graph that is spoilt, wait behind the run that is cancelled, and are made again."""
    with load("chain") as session:
        expected = {seed: session.run(_rows(40, seed))["y"] for seed in range(3)}
        token, results = CancelToken(), {}
        canceller = threading.Thread(target=_cancel_when_running, args=(token, 0.5))
        others = [
            threading.Thread(target=lambda seed=seed: results.update({seed: session.run(_rows(40, seed))["y"]}))
            for seed in expected
        ]

        def start_others():
            while token._interrupt is None:
                time.sleep(0.001)
            for thread in others:
                thread.start()

        starter = threading.Thread(target=start_others)
        starter.start()
        canceller.start()
        with pytest.raises(Cancelled):
            session.run(long, cancel=token)
        for thread in (starter, canceller):
            thread.join(PATIENCE_S)
        for thread in others:
            thread.join(PATIENCE_S)
    assert results.keys() == expected.keys()
    for seed, array in expected.items():
        np.testing.assert_array_equal(results[seed], array)


def test_a_token_that_was_used_up_does_not_touch_the_next_run(load):
    token = CancelToken()
    with load("chain") as session:
        session.run(_rows(2), cancel=token)
        token.cancel()
        assert session.run(_rows(2), cancel=CancelToken())["y"].shape == (2, 64)


def test_a_failed_run_is_told_and_the_next_one_is_right(load):
    with load("chain") as session:
        before = session.run(_rows(5))["y"]
        with pytest.raises(EngineError, match="failed in `unet`"):
            session.run({"x": np.zeros((5, 65), np.float32)})
        np.testing.assert_array_equal(session.run(_rows(5))["y"], before)
