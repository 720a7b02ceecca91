"""ncnn's engine around a library that is not there: what it is told, what it is asked, what is said where it fails.

The library itself is run by night, see ``benchmarks/nightly_ncnn.sh``.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from fake_ncnn import MAGIC, Library

from edgediff_runtimes.cancellation import CancelToken
from edgediff_runtimes.engines import EngineOptions, Graph, engine_for
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
from edgediff_runtimes.weights.reading import stored_weights

PACKAGE = "edgediff_runtimes.engines.ncnn"
# y = 2 · (2 · x) + x, the second product where no GPU computes it.
PARAM = f"""{MAGIC}
6 7
Input x 0 1 x
Split split 1 2 x a b
Twice first 1 1 a c
OnCpu second 1 1 c d
Twice third 1 1 d e
Add sum 2 1 e b y
"""
SPECS = (TensorSpec("x", "float32", (1, 3)),), (TensorSpec("y", "float32", (1, 3)),)
X = np.array([[1, 2, 3]], np.float32)


@pytest.fixture
def forget(monkeypatch):
    """The engine is imported anew, and again after the test."""

    def forget():
        for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
            monkeypatch.delitem(sys.modules, name)

    forget()
    yield forget
    forget()


@pytest.fixture
def engine(monkeypatch, forget):
    """The engine over a library; ``gpus`` and what else ``Library`` takes."""

    def engine(*gpus, **about):
        forget()
        library = Library(gpus, **about)
        monkeypatch.setitem(sys.modules, "ncnn", library)
        found = importlib.import_module(PACKAGE).NcnnEngine()
        return found, library

    return engine


@pytest.fixture
def graph(tmp_path):
    def graph(text=PARAM, *, precision="fp32", format_="ncnn", specs=SPECS, change=None):
        path = tmp_path / "model.ncnn.param"
        path.write_text(text, encoding="utf-8")
        (tmp_path / "model.ncnn.bin").write_bytes(b"")
        return Graph("unet", path, format_, *specs, precision=precision, change=change)

    return graph


def load(engine, graph, device="auto", **options):
    return engine.load(graph, device=device, options=EngineOptions(**options))


def test_without_the_library_the_install_line_is_said(monkeypatch, forget):
    forget()
    monkeypatch.setitem(sys.modules, "ncnn", None)
    with pytest.raises(NotInstalledError, match="the engine `ncnn` is not installed") as caught:
        engine_for("ncnn", "vulkan")
    assert caught.value.hint == install_line("ncnn")
    assert "ncnn" in caught.value.hint


def test_devices_are_the_processor_and_what_vulkan_finds(engine, capfd):
    found, _ = engine(("Adreno", 1), ("llvmpipe", 3))
    cpu, adreno, software = found.devices()
    assert (cpu.name, adreno.name, software.name) == ("cpu", "vulkan.0", "vulkan.1")
    assert (cpu.verified, adreno.verified, software.verified) == ("run", "never", "run")
    assert "in software" in software.description
    assert cpu.executions == ("f32",)
    assert capfd.readouterr().err == ""  # the library talks where it looks for Vulkan


@pytest.mark.parametrize(
    ("asked", "gpu"), [("vulkan", 0), ("gpu", 0), ("vulkan.1", 1), ("gpu.1", 1), ("cpu", None), ("auto", None)]
)
def test_a_device_by_its_name_kind_or_number(engine, graph, asked, gpu):
    found, library = engine(("one", 0), ("two", 0))
    load(found, graph(), asked)
    assert library.nets[0].gpu == gpu
    assert library.nets[0].opt.use_vulkan_compute is (gpu is not None)


@pytest.mark.parametrize("device", ["vulkan", "gpu", "vulkan.0"])
def test_where_there_is_no_vulkan_that_is_said(engine, graph, device):
    found, library = engine()
    with pytest.raises(DeviceError, match=f"the device `{device}` is not available: expected one of cpu") as caught:
        load(found, graph(), device)
    assert "Vulkan" in caught.value.hint
    assert not library.nets


def test_another_gpu_than_there_is(engine, graph):
    found, _ = engine(("one", 0))
    with pytest.raises(DeviceError, match=r"`vulkan\.7` is not available: expected one of cpu, vulkan"):
        load(found, graph(), "vulkan.7")


def test_a_graph_is_computed_in_float32_unless_its_precision_asks_for_less(engine, graph):
    found, library = engine(("one", 0))
    exact, half = load(found, graph(), "vulkan"), load(found, graph(precision="fp16"), "vulkan")
    stored = load(found, graph(precision="w16"), "vulkan")
    assert (exact.execution, half.execution, stored.execution) == ("f32", "f16", "f32")
    options = [
        (net.opt.use_fp16_packed, net.opt.use_fp16_storage, net.opt.use_fp16_arithmetic, net.opt.use_bf16_storage)
        for net in library.nets
    ]
    assert options == [(False,) * 4, (True, True, True, False), (False,) * 4]


def test_a_gpu_without_float16_is_not_said_to_compute_in_it(engine, graph):
    found, _ = engine(("one", 0), half=False)
    with pytest.raises(EngineError, match="computes `unet` in f32 on `vulkan`: expected f16"):
        load(found, graph(), "vulkan", execution="f16")


def test_the_processor_computes_in_float16_where_it_is_arms(engine, graph):
    found, _ = engine(arm=True)
    assert load(found, graph(precision="fp16")).execution == "f16"
    found, _ = engine()
    with pytest.raises(SettingError, match="`execution` is 'f16': expected f32"):
        load(found, graph(), execution="f16")


def test_one_row_is_computed(engine, graph):
    found, _ = engine()
    with load(found, graph(), threads=1) as session:
        assert session.run({"x": X})["y"].tolist() == [[5.0, 10.0, 15.0]]
        assert session.threads == 1
        assert {name: (share.nodes, share.time) for name, share in session.shares().items()} == {"cpu": (5, 1.0)}
        assert session.left() == ()


def test_what_the_gpu_leaves_to_the_processor_is_told(engine, graph):
    found, library = engine(("one", 0))
    session = load(found, graph(), "vulkan")
    assert session.run({"x": X})["y"].tolist() == [[5.0, 10.0, 15.0]]
    shares = session.shares()
    assert (shares["vulkan"].nodes, shares["cpu"].nodes) == (4, 1)
    assert shares["vulkan"].time + shares["cpu"].time == pytest.approx(1)
    assert session.left() == ("OnCpu",)
    assert library.computed == ["split", "first", "second", "third", "sum"]  # each once, in the order of the file
    assert session.threads is None


def test_cancelling_ends_a_run_between_stretches_of_layers(engine, graph):
    found, library = engine(("one", 0))
    session, token = load(found, graph(), "vulkan"), CancelToken()
    library.on_extract = lambda _: token.cancel() if "second" in library.computed else None
    with pytest.raises(Cancelled):
        session.run({"x": X}, cancel=token)
    assert "third" not in library.computed
    library.on_extract = lambda _: None
    assert session.run({"x": X})["y"].tolist() == [[5.0, 10.0, 15.0]]


def test_a_long_graph_is_cancelled_within_it(engine, graph):
    lines = [f"Twice t{number} 1 1 b{number} b{number + 1}" for number in range(100)]
    text = "\n".join([MAGIC, "101 101", "Input b0 0 1 b0", *lines])
    specs = (TensorSpec("b0", "float32", (1, 3)),), (TensorSpec("b100", "float32", (1, 3)),)
    found, library = engine()
    session, token = load(found, graph(text, specs=specs)), CancelToken()
    library.on_extract = lambda _: token.cancel()
    with pytest.raises(Cancelled):
        session.run({"b0": X}, cancel=token)
    assert 0 < len(library.computed) < 50


@pytest.mark.parametrize(
    ("feeds", "sentence"),
    [
        ({"x": X[:, :2]}, r"it takes x: float32\[1, 3\], got x: float32\[1, 2\]"),
        ({"x": np.zeros((2, 3), np.float32)}, r"it takes x: float32\[1, 3\], got x: float32\[2, 3\]"),
        ({}, "it takes x, got nothing"),
    ],
    ids=["another size", "two rows", "nothing"],
)
def test_what_a_graph_does_not_take_is_refused(engine, graph, feeds, sentence):
    found, _ = engine()
    with pytest.raises(EngineError, match=sentence):
        load(found, graph()).run(feeds)


def test_a_graph_for_any_size_is_refused(engine, graph):
    found, _ = engine()
    with pytest.raises(EngineError, match="one row of fixed shape at a time: `unet` has"):
        load(found, graph(specs=((TensorSpec("x", "float32", ("batch", 3)),), SPECS[1])))


def test_other_names_than_the_manifests_are_refused(engine, graph):
    found, _ = engine()
    with pytest.raises(EngineError, match="the graph of `unet` takes x: the bundle says z"):
        load(found, graph(specs=((TensorSpec("z", "float32", (1, 3)),), SPECS[1])))


def test_a_layer_that_the_library_has_not_is_named(engine, graph, capfd):
    found, _ = engine()
    with pytest.raises(EngineError, match=r"cannot load `unet` from `model.ncnn.param` on `cpu`: layer Odd not exists"):
        load(found, graph(PARAM.replace("OnCpu", "Odd")))
    assert capfd.readouterr().err == ""


def test_missing_weights_are_named(engine, graph):
    found, _ = engine()
    asked = graph()
    asked.path.with_name("model.ncnn.bin").unlink()
    with pytest.raises(EngineError, match=r"from `model.ncnn.bin` on `cpu`: there is no such file"):
        load(found, asked)


def test_graphs_of_several_sizes_share_their_weights(engine, graph):
    found, library = engine()
    asked = graph()
    path = asked.path.rename(asked.path.with_name("model_64x64.ncnn.param"))
    load(found, Graph("unet", path, "ncnn", *SPECS))
    assert library.nets[0].weights == str(path.with_name("model.ncnn.bin"))


@pytest.mark.parametrize(("code", "kind"), [(-100, OutOfMemoryError), (-1, EngineError)])
def test_a_computation_that_fails(engine, graph, code, kind):
    found, library = engine()
    session = load(found, graph())
    library.code = code
    with pytest.raises(kind, match="ncnn failed in `unet`"):
        session.run({"x": X})


def test_weights_that_do_not_fit_into_memory(engine, graph):
    found, _ = engine(load_model=-100)
    with pytest.raises(OutOfMemoryError, match="cannot load `unet`"):
        load(found, graph())


def test_what_is_not_for_this_engine(engine, graph):
    found, _ = engine(("one", 0))
    with pytest.raises(EngineError, match="its format is `onnx`, expected `ncnn`"):
        load(found, graph(format_="onnx"))
    with pytest.raises(SettingError, match="`static` is '8x8'"):
        load(found, graph(), static=(8, 8))
    with pytest.raises(SettingError, match="`threads` is 2: expected nothing, because `vulkan` has its own"):
        load(found, graph(), "vulkan", threads=2)
    with pytest.raises(AdapterError, match="the weights of `unet` are in ncnn's format"):
        load(found, graph(change=SimpleNamespace(fingerprint="1")))
    with pytest.raises(AdapterError, match="the weights of `unet` are in ncnn's format"):
        stored_weights(graph())


def test_low_memory_keeps_no_second_copy_of_weights(engine, graph):
    found, library = engine()
    load(found, graph(), low_memory=True)
    load(found, graph())
    assert [net.opt.use_winograd_convolution for net in library.nets] == [False, True]


def test_a_closed_session_does_not_run_and_may_be_closed_again(engine, graph):
    found, _ = engine()
    session = load(found, graph())
    session.close()
    session.close()
    with pytest.raises(EngineError, match="is closed"):
        session.run({"x": X})


def test_several_threads_run_one_session(engine, graph):
    found, _ = engine()
    session, results = load(found, graph()), {}

    def run(number):
        results[number] = session.run({"x": X * number})["y"].tolist()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: (5 * number * X).tolist() for number in range(4)}
