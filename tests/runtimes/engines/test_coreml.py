"""Core ML's engine around a library that is not there: what it is told, what it gives, what is said where it fails.

The library itself was never run: it computes on Apple's systems alone.
"""

from __future__ import annotations

import platform
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from fake_coremltools import Library

import edgediff
from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.errors import (
    AdapterError,
    Cancelled,
    DeviceError,
    EngineError,
    NotInstalledError,
    OutOfMemoryError,
    SettingError,
)
from edgediff_runtimes.installing import install_line
from edgediff_runtimes.tensors import TensorSpec

SPECS = (
    (TensorSpec("x", "float32", (1, 3)), TensorSpec("ids", "int64", (1, 2))),
    (TensorSpec("y.1", "float32", (1, 3)),),
)
FEEDS = {"x": np.array([[1, 2, 3]], np.float32), "ids": np.array([[4, 5]], np.int64)}


@pytest.fixture
def engine(monkeypatch):
    """The engine over a library, see ``Library``."""

    def engine(**about):
        library = Library(**about)
        monkeypatch.setattr(platform, "system", lambda: "Darwin")
        monkeypatch.setitem(sys.modules, "coremltools", library)
        return get_engine("coreml"), library

    return engine


@pytest.fixture
def graph(tmp_path):
    (tmp_path / "model_16x16.mlpackage").mkdir()
    path = tmp_path / "model_16x16.onnx"

    def graph(*, precision="fp16", format_="onnx", change=None, path=path):
        return Graph("unet", path, format_, *SPECS, precision=precision, change=change)

    return graph


def load(engine, graph, device="auto", **options):
    return engine.load(graph, device=device, options=EngineOptions(**options))


def test_elsewhere_it_is_said_where_it_runs(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with pytest.raises(NotInstalledError, match=r"the engine `coreml` is not installed \(Core ML is a part of macOS\)"):
        get_engine("coreml")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(NotInstalledError, match="the engine `coreml` is not installed") as caught:
        get_engine("coreml")
    assert caught.value.hint == install_line("coreml")


def test_nothing_of_it_was_ever_run(engine):
    found, _ = engine()
    assert {device.name: device.verified for device in found.devices()} == {
        "cpu": "never",
        "neural-engine": "never",
        "apple-gpu": "never",
    }
    assert found.version == "9.0"


@pytest.mark.parametrize(
    ("asked", "units"),
    [
        ("auto", "CPU_ONLY"),
        ("cpu", "CPU_ONLY"),
        ("npu", "CPU_AND_NE"),
        ("neural-engine", "CPU_AND_NE"),
        ("gpu", "CPU_AND_GPU"),
        ("apple-gpu", "CPU_AND_GPU"),
    ],
)
def test_the_package_beside_a_graph_is_loaded_for_a_device(engine, graph, asked, units):
    found, library = engine()
    assert load(found, graph(), asked).execution == "f16"
    assert library.loaded == [("model_16x16.mlpackage", units)]


def test_a_call_in_its_names_and_types(engine, graph):
    found, library = engine()
    with load(found, graph()) as session:
        given = session.run(FEEDS)
    np.testing.assert_array_equal(given["y.1"], [[11, 13, 15]])
    assert given["y.1"].dtype == np.float32
    assert library.told[0]["ids"].dtype == np.int32
    with pytest.raises(EngineError, match="the session of `unet` is closed"):
        session.run(FEEDS)


def test_what_was_exported_exact_is_computed_so_or_refused(engine, graph):
    found, _ = engine()
    assert load(found, graph(precision="fp32"), "apple-gpu").execution == "f32"
    assert found.execution(graph(precision="w8"), device="npu", options=EngineOptions()) == "f16"
    with pytest.raises(SettingError, match="`execution` is 'f32': expected f16, which is what `neural-engine`"):
        load(found, graph(precision="fp32"), "npu")
    with pytest.raises(SettingError, match="`execution` is 'f32': expected f16, which the package of `unet`"):
        load(found, graph(), execution="f32")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"static": (16, 16)}, "`static` is '16x16': expected none"),
        ({"threads": 2}, "`threads` is 2: expected nothing"),
    ],
)
def test_options_that_would_do_nothing_are_refused(engine, graph, options, problem):
    found, _ = engine()
    with pytest.raises(SettingError, match=problem):
        load(found, graph(), **options)


def test_what_cannot_be_loaded_is_said(engine, graph, tmp_path):
    found, _ = engine()
    with pytest.raises(DeviceError, match="`webgpu` is not available: expected one of cpu, neural-engine, apple-gpu"):
        load(found, graph(), "webgpu")
    for other in (graph(path=tmp_path / "model.onnx"), graph(format_="openvino")):
        with pytest.raises(EngineError, match=r"there is no `model\w*\.mlpackage` beside its graph") as caught:
            load(found, other)
        assert "coreml" in caught.value.hint
    with pytest.raises(AdapterError, match="in a Core ML package, which is read as it is"):
        load(found, graph(change=SimpleNamespace()))
    found, _ = engine(fails=RuntimeError("no such operator"))
    with pytest.raises(EngineError, match=r"cannot load `unet` from `model_16x16\.mlpackage`: no such operator"):
        load(found, graph())
    found, _ = engine(fails=RuntimeError("Out of memory"))
    with pytest.raises(OutOfMemoryError):
        load(found, graph())


def test_what_cannot_be_computed_is_said(engine, graph):
    found, library = engine()
    session = load(found, graph())
    with pytest.raises(EngineError, match="it takes x, ids, got x"):
        session.run({"x": FEEDS["x"]})
    with pytest.raises(EngineError, match=r"it takes x: float32\[1, 3\], got x: float32\[1, 2\]"):
        session.run({**FEEDS, "x": FEEDS["x"][:, :2]})
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        session.run(FEEDS, cancel=token)
    library.predict = lambda _: {}
    with pytest.raises(EngineError, match=r"it gives no `y\.1`"):
        session.run(FEEDS)
    library.predict = lambda told: told["gone"]
    with pytest.raises(EngineError, match="Core ML failed in `unet`: 'gone'"):
        session.run(FEEDS)


def test_a_bundle_without_packages_is_refused(engine):
    engine()
    with (
        edgediff.load("emoji-lcm", engine="coreml") as pipeline,
        pytest.raises(EngineError, match=r"there is no `model\.mlpackage` beside its graph"),
    ):
        pipeline("a red apple")
