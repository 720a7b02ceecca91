"""The table of ONNX Runtime's execution providers, and who computed what."""

from __future__ import annotations

import types

import numpy as np
import pytest

from edgediff_runtimes.engines import EngineOptions, Graph, engine_for, get_engine
from edgediff_runtimes.engines import onnxruntime_providers as providers
from edgediff_runtimes.engines.base import Device, Share
from edgediff_runtimes.engines.onnxruntime_assignment import of_last_run, profiled
from edgediff_runtimes.engines.onnxruntime_session import OnnxRuntimeSession, Opener
from edgediff_runtimes.errors import DeviceError, EngineError, SettingError


def plugged_in(kind):
    """A device of a plug-in, as the library has it."""
    return types.SimpleNamespace(device=types.SimpleNamespace(type=types.SimpleNamespace(name=kind.upper())))


CHIP, EMULATOR = plugged_in("npu"), plugged_in("cpu")
FEEDS = {"a": np.ones((2, 3), np.float32), "b": np.ones((2, 3), np.float32)}


@pytest.fixture
def add(golden):
    return Graph("unet", golden / "engines" / "add.onnx", "onnx")


@pytest.fixture
def offered(monkeypatch):
    """An installation that is built with these providers and has these plug-ins, as far as its listing goes."""

    def offered(*built, **plugged):
        monkeypatch.setattr(providers.ort, "get_available_providers", lambda: [*built, providers.CPU])
        monkeypatch.setattr(providers, "_plugged", lambda row: plugged.get(row.device, ()))
        providers.reached.cache_clear()
        monkeypatch.setattr(get_engine("onnxruntime"), "name", "onnxruntime", raising=False)

    yield offered
    monkeypatch.undo()
    providers.reached.cache_clear()


def test_rows_have_names_of_their_own():
    for of in ("name", "device"):
        names = [getattr(row, of) for row in providers.PROVIDERS]
        assert len({*names}) == len(names)
    assert not {"gpu", "npu", "auto"} & {row.device for row in providers.PROVIDERS}
    assert providers.PROVIDERS[0].name == providers.CPU
    assert all(reason for row in providers.PROVIDERS for _, reason in row.options.values())


def test_what_the_library_offers_is_listed_and_can_be_named(offered):
    offered("CUDAExecutionProvider", "FutureExecutionProvider", "AzureExecutionProvider", qnn=(CHIP,))
    names = [device.name for device in get_engine("onnxruntime").devices()]
    assert names == ["cpu", "cuda", "qnn", "future"]  # and no service on the network
    assert providers.reached_by("auto").provider.name == providers.CPU
    assert providers.reached_by("gpu").provider.device == "cuda"
    assert providers.reached_by("npu").plugged == (CHIP,)
    assert engine_for("onnx", "npu").name == "onnxruntime"


def test_a_provider_that_is_not_there_is_refused_with_what_has_it(offered):
    offered()
    with pytest.raises(DeviceError, match="`webgpu` is not available: expected one of cpu") as caught:
        providers.reached_by("webgpu")
    assert "pip install onnxruntime-ep-webgpu" in caught.value.hint
    with pytest.raises(DeviceError, match=r"`cuda\.1` is not available") as caught:
        engine_for("onnx", "cuda.1")  # whether or not other engines are installed
    assert "pip install onnxruntime-gpu" in caught.value.hint
    with pytest.raises(DeviceError):
        providers.reached_by("gpu")


def test_what_is_installed_already_is_not_said_to_help(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    assert providers.package_hint("qnn.57") == "`onnxruntime-qnn` is installed and finds no such device on this machine"
    assert providers.package_hint("coreml") == "only some builds of `onnxruntime` have it: this one has not"
    assert (providers.package_hint("cpu.1"), providers.package_hint("toaster")) == (None, None)


def test_a_number_says_which_of_several(offered):
    offered("CUDAExecutionProvider", "XnnpackExecutionProvider")
    assert providers.reached_by("cuda.1").settings == {"use_tf32": "0", "device_id": "1"}
    assert providers.reached_by("gpu").settings == {"use_tf32": "0"}
    for name in ("cuda.", "cuda.one", "xnnpack.1", "cpu.0"):
        with pytest.raises(DeviceError):
            providers.reached_by(name)


def test_an_emulated_device_must_be_told_which_it_is(offered):
    offered(qnn=(EMULATOR,))
    (_, device) = get_engine("onnxruntime").devices()
    assert (device.executions, device.verified) == (("f16",), "emulated")
    assert "emulator, on the processor" in device.description
    for name in ("qnn", "npu"):
        with pytest.raises(DeviceError, match=rf"`{name}` is not available: expected one of cpu, qnn\.57") as caught:
            providers.reached_by(name)
        assert "there is no such device here" in caught.value.hint
    assert providers.reached_by("qnn.57").settings["soc_model"] == "57"
    offered(qnn=(CHIP,))
    assert "soc_model" not in providers.reached_by("qnn").settings
    assert "emulator" not in get_engine("onnxruntime").devices()[1].description


def test_a_device_that_has_float16_alone_is_not_given_fp32_unasked(offered, add):
    offered(qnn=(CHIP,))
    engine, options = get_engine("onnxruntime"), EngineOptions()
    with pytest.raises(
        SettingError, match="`execution` is 'f32': expected f16, which is all that `onnxruntime` on `qnn`"
    ):
        engine.execution(add, device="qnn", options=options)
    for precision in ("fp16", "a16w8", "int8"):
        graph = Graph("unet", add.path, "onnx", precision=precision)
        assert engine.execution(graph, device="qnn", options=options) == "f16"
    assert engine.execution(graph, device="cpu", options=options) == "f32"


def test_a_plug_in_that_cannot_be_registered_says_so(monkeypatch):
    row = next(row for row in providers.PROVIDERS if row.device == "webgpu")
    broken = types.SimpleNamespace(get_library_path=lambda: "/nowhere/lib.so")
    monkeypatch.setattr(providers.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(providers.importlib, "import_module", lambda _: broken)
    with pytest.raises(EngineError, match="`onnxruntime-ep-webgpu` is installed and cannot be used"):
        providers._plugged(row)


def test_a_kind_stands_for_its_first():
    assert Device("gpu.1", "").names == {"gpu.1", "gpu"}
    assert Device("webgpu", "", kind="gpu").names == {"webgpu", "gpu"}
    assert Device("xnnpack", "", kind="cpu").names == {"xnnpack"}


def test_the_processor_has_all_nodes(add):
    with get_engine("onnxruntime").load(add, device="cpu", options=EngineOptions()) as session:
        session.run(FEEDS)
        assert session.shares() == {"cpu": Share(1, 1.0)}
        assert session.left() == ()


def _kernel(ts, dur, provider, op_name="Conv", kind="float"):
    about = {"provider": provider, "op_name": op_name, "input_type_shape": [{kind: [1, 4]}]}
    return {"cat": "Node", "name": "n_kernel_time", "ts": ts, "dur": dur, "args": about}


def test_a_profile_counts_the_kernels_of_its_last_run_alone():
    run = {"cat": "Session", "name": "model_run", "dur": 10}
    fence = {"cat": "Node", "name": "n_fence_before", "ts": 25, "dur": 9, "args": {}}
    shape = _kernel(29, 0, providers.CPU, "Mul", "int64")  # a shape, computed there by design
    now = [
        _kernel(21, 6, "AExecutionProvider"),
        _kernel(23, 0, "AExecutionProvider", "Add"),
        _kernel(26, 2, providers.CPU, "Sin"),
        shape,
        fence,
    ]
    found = of_last_run([{**run, "ts": 0}, _kernel(1, 100, "AExecutionProvider", "MatMul"), {**run, "ts": 20}, *now])
    assert found == {"a": Share(2, 0.75, ("Add", "Conv")), "cpu": Share(2, 0.25, ("Sin",))}


@pytest.fixture
def measured(add):
    """A session of the CPU's that is measured as those of other devices are, opened for fixed shapes."""
    row = providers.Provider("CPUExecutionProvider", "chip", "npu", "", "onnxruntime", fixed="of a test")
    spec = get_engine("onnxruntime").load(add, device="cpu", options=EngineOptions())
    known = Graph("unet", add.path, "onnx", tuple(spec.inputs.values()), tuple(spec.outputs.values()))
    return OnnxRuntimeSession(Opener(known, providers.Reached(row), EngineOptions()))


def test_what_the_library_writes_is_read(add, tmp_path):
    opener = Opener(add, providers.reached()[0], EngineOptions())
    session = opener.open({}, profile=tmp_path)
    for _ in range(2):
        session.run(None, FEEDS)
    assert profiled(session) == {"cpu": Share(1, 1.0, ("Add",))}
    assert not [*tmp_path.iterdir()]


def test_fixed_shapes_are_those_of_a_call_and_the_last_are_kept(measured):
    for rows in (2, 5, 7, 2):
        feeds = {name: np.ones((rows, 3), np.float32) for name in FEEDS}
        np.testing.assert_array_equal(measured.run(feeds)["sum"], np.full((rows, 3), 2, np.float32))
    assert [shapes[0] for shapes in measured._sessions] == [(7, 3), (2, 3)]
    measured.close()
    with pytest.raises(EngineError, match="closed"):
        measured.run(FEEDS)


def test_fixed_shapes_need_the_names_of_the_axes(add):
    row = providers.Provider("CPUExecutionProvider", "chip", "npu", "", "onnxruntime", fixed="of a test")
    with pytest.raises(EngineError, match="`chip` needs the names of all axes of `unet`, because of a test"):
        OnnxRuntimeSession(Opener(add, providers.Reached(row), EngineOptions()))
