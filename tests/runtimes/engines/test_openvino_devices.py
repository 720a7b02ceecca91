"""OpenVINO's devices under our names, on a machine that this one is not: two GPUs, an NPU, a processor with bf16."""

from __future__ import annotations

import pytest

from edgediff_runtimes.engines import EngineOptions, Graph
from edgediff_runtimes.errors import DeviceError, EngineError, SettingError

COMMON = ("PERFORMANCE_HINT", "INFERENCE_PRECISION_HINT")
MACHINE = {
    "GPU.1": {
        "FULL_DEVICE_NAME": "Intel Arc",
        "OPTIMIZATION_CAPABILITIES": ["FP32", "BIN", "FP16", "INT8", "GPU_HW_MATMUL"],
        "SUPPORTED_PROPERTIES": (*COMMON, "DYNAMIC_QUANTIZATION_GROUP_SIZE"),
    },
    "GPU.0": {
        "FULL_DEVICE_NAME": "Intel Graphics",
        "OPTIMIZATION_CAPABILITIES": ["FP32", "FP16"],
        "SUPPORTED_PROPERTIES": COMMON,
    },
    "CPU": {
        "FULL_DEVICE_NAME": "Intel Xeon",
        "OPTIMIZATION_CAPABILITIES": ["FP32", "INT8", "BIN", "BF16", "EXPORT_IMPORT"],
        "SUPPORTED_PROPERTIES": (*COMMON, "INFERENCE_NUM_THREADS", "DYNAMIC_QUANTIZATION_GROUP_SIZE"),
    },
    "NPU": {
        "FULL_DEVICE_NAME": "Intel AI Boost",
        "OPTIMIZATION_CAPABILITIES": ["FP16", "INT8", "EXPORT_IMPORT"],
        "SUPPORTED_PROPERTIES": COMMON,
    },
    "GPU.2": {},  # its driver does not answer
}


class _Core:
    """What we ask of ``ov.Core`` about devices."""

    def __init__(self, machine):
        self._machine = machine
        self.available_devices = list(machine)

    def get_property(self, device, name):
        if name not in self._machine[device]:
            raise RuntimeError("the driver does not answer")
        return self._machine[device][name]


@pytest.fixture
def devices(openvino):
    from edgediff_runtimes.engines.openvino import devices  # noqa: PLC0415 - there only where it is installed

    assert openvino.name
    return devices


@pytest.fixture
def core():
    return _Core(MACHINE)


@pytest.fixture
def engine(openvino, core):
    """The engine on that machine; it can tell, not load."""
    engine = type(openvino)()
    engine._core = core
    return engine


def test_names_and_executions(engine):
    assert [(device.name, device.executions) for device in engine.devices()] == [
        ("cpu", ("f32", "bf16")),
        ("gpu.0", ("f32", "f16")),
        ("gpu.1", ("f32", "f16")),
        ("npu", ("f16",)),
        ("auto-plugin", ("f32",)),
    ]
    assert [device.description for device in engine.devices()] == [
        "Intel Xeon",
        "Intel Graphics",
        "Intel Arc",
        "Intel AI Boost",
        "OpenVINO's choice among gpu.0, gpu.1, cpu",
    ]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("auto", "CPU"),
        ("cpu", "CPU"),
        ("gpu", "GPU.0"),
        ("gpu.1", "GPU.1"),
        ("npu", "NPU"),
        ("auto-plugin", "AUTO:GPU.0,GPU.1,CPU"),
    ],
)
def test_a_device_is_found_by_its_name(devices, core, name, target):
    assert devices.find_place(core, name).target == target


@pytest.mark.parametrize("name", ["gpu.2", "GPU", "", ".", "auto-plugin.0"])
def test_a_device_that_is_not_there(devices, core, name):
    with pytest.raises(DeviceError, match=r"expected one of cpu, gpu\.0, gpu\.1, npu, auto-plugin"):
        devices.find_place(core, name)


def test_no_device_at_all(devices):
    with pytest.raises(EngineError, match="OpenVINO finds no device on this machine"):
        devices.find_place(_Core({}), "auto")


@pytest.mark.parametrize(
    ("precision", "device", "execution"),
    [
        ("fp32", "auto", "f32"),
        ("fp32", "gpu", "f32"),
        ("int8", "auto", "bf16"),
        ("int8", "gpu", "f16"),
        ("mixed", "npu", "f16"),
        ("fp16", "npu", "f16"),
        ("fp16", "cpu", "bf16"),
        ("w8", "gpu", "f32"),
        ("int8", "auto-plugin", "f32"),
    ],
)
def test_what_a_graph_is_computed_in(engine, tmp_path, precision, device, execution):
    graph = Graph("unet", tmp_path, "openvino", precision=precision)
    assert engine.execution(graph, device=device, options=EngineOptions()) == execution


def test_an_exact_graph_on_a_device_that_is_not(engine, tmp_path):
    graph = Graph("unet", tmp_path, "openvino", precision="fp32")
    with pytest.raises(SettingError, match="expected f16, which is all that `openvino` on `npu` computes in"):
        engine.execution(graph, device="npu", options=EngineOptions())
    assert engine.execution(graph, device="npu", options=EngineOptions(execution="f16")) == "f16"


def test_a_device_is_given_the_properties_that_it_knows(devices, core):
    def properties(name, threads=None):
        return devices.properties_of(core, devices.find_place(core, name), execution="f32", threads=threads)

    basics = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    exact = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    assert properties("gpu.0") == basics
    assert properties("gpu.1") == basics | exact
    assert properties("cpu", 3) == basics | exact | {"INFERENCE_NUM_THREADS": 3}
    assert properties("auto-plugin", 3) == {
        "ENABLE_STARTUP_FALLBACK": False,
        "DEVICE_PROPERTIES": {
            "GPU.0": basics,
            "GPU.1": basics | exact,
            "CPU": basics | exact | {"INFERENCE_NUM_THREADS": 3},
        },
    }


@pytest.mark.parametrize("name", ["gpu", "npu"])
def test_threads_of_a_device_that_has_none_to_choose_are_refused(devices, core, name):
    place = devices.find_place(core, name)
    with pytest.raises(SettingError, match=r"`threads` is 2: expected nothing, because `.*` has its own"):
        devices.properties_of(core, place, execution="f16", threads=2)


def test_only_the_npu_needs_fixed_shapes(devices, core):
    needs = {place.device.name for place in devices.places(core) if place.quirks.static_shapes}
    assert needs == {"npu"}
