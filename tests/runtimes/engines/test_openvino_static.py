"""Graphs for devices that need fixed shapes, as the NPU does. There is none here: the CPU is made to be one."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

from edgediff_runtimes.errors import EngineError


@pytest.fixture
def compiled(openvino, monkeypatch):
    """Makes the CPU need fixed shapes; the shapes of every compilation from now on."""
    from edgediff_runtimes.engines.openvino import compiling, devices  # noqa: PLC0415 - only where it is installed

    assert openvino.name
    monkeypatch.setitem(devices.QUIRKS, "CPU", devices.Quirks(static_shapes="a test says so"))
    seen = []

    def compile_(compiler, shapes=None):
        seen.append(shapes)
        return original(compiler, shapes)

    original = compiling.Compiler.compile
    monkeypatch.setattr(compiling.Compiler, "compile", compile_)
    return seen


def _rows(count):
    return {"x": np.random.default_rng(count).standard_normal((count, 64)).astype(np.float32)}


def test_the_npu_is_such_a_device(openvino):
    from edgediff_runtimes.engines.openvino.devices import quirks_of  # noqa: PLC0415 - only where it is installed

    assert openvino.name
    assert "dynamic shapes" in quirks_of("NPU").static_shapes
    assert quirks_of("CPU").static_shapes is quirks_of("GPU.1").static_shapes is None


@pytest.mark.parametrize("format_", ["onnx", "openvino"])
def test_a_graph_is_compiled_for_the_shapes_it_is_called_with(load, compiled, pair, format_):
    with load("add", format_=format_) as session:
        assert compiled == []
        assert session.inputs["a"].shape == ("a_0", 3)
        for _ in range(2):
            np.testing.assert_array_equal(session.run(pair)["sum"], pair["a"] + pair["b"])
        assert compiled == [((2, 3), (2, 3))]
        (model,) = session._models.values()
        assert model.compiled.inputs[0].partial_shape.is_static


def test_the_last_two_shapes_are_kept(load, compiled):
    with load("chain") as session:
        for count in (1, 2, 1, 2, 3, 2, 1):
            assert session.run(_rows(count))["y"].shape == (count, 64)
    assert compiled == [((1, 64),), ((2, 64),), ((3, 64),), ((1, 64),)]


def test_the_numbers_are_those_of_dynamic_shapes(load, compiled, openvino, golden):
    from edgediff_runtimes.engines.openvino import devices  # noqa: PLC0415 - only where it is installed

    assert (openvino.name, golden.name) == ("openvino", "golden")
    with load("chain") as static:
        fixed = static.run(_rows(7))["y"]
    assert compiled == [((7, 64),)]
    del devices.QUIRKS["CPU"]
    with load("chain") as dynamic:
        np.testing.assert_allclose(fixed, dynamic.run(_rows(7))["y"], rtol=0, atol=1e-6)
    assert compiled == [((7, 64),), None]


def test_shapes_that_the_graph_cannot_have(load, compiled, pair):
    with load("add") as session, pytest.raises(EngineError, match="cannot load `unet` for `cpu`: "):
        session.run({"a": np.zeros((2, 4), np.float32), "b": pair["b"]})
    assert compiled == [((2, 4), (2, 3))]


def test_runs_of_several_shapes_at_the_same_time(load, compiled):
    results = {}
    with load("chain") as session:

        def run(count):
            results[count] = session.run(_rows(count))["y"]

        threads = [threading.Thread(target=run, args=(count,)) for count in (1, 2, 3, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for count, array in results.items():
            np.testing.assert_array_equal(session.run(_rows(count))["y"], array)
    assert len(results) == 4
    assert len(compiled) >= 4


def test_a_quirk_is_a_reason(openvino):
    from edgediff_runtimes.engines.openvino.devices import COMMON_PROPERTIES, QUIRKS  # noqa: PLC0415 - as above

    assert openvino.name
    assert all(dataclasses.astuple(quirk) != (None, {}) for quirk in QUIRKS.values())
    for entries in (COMMON_PROPERTIES, *(quirk.properties for quirk in QUIRKS.values())):
        assert all(reason for _, reason in entries.values())
