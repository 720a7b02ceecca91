"""OpenVINO behind the seam, on graphs of a few hundred bytes (``tests/golden/make_engine_graphs.py``)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.components import Loaded
from edgediff_runtimes.engines import EngineOptions, Graph, engine_for, get_engine
from edgediff_runtimes.errors import DeviceError, EngineError, SettingError
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.tensors import TensorSpec

FORMATS = ["onnx", "openvino"]


@pytest.mark.parametrize("format_", FORMATS)
def test_a_graph_says_what_it_takes_and_gives(load, format_):
    with load("add", format_=format_) as session:
        assert session.inputs["a"] == TensorSpec("a", "float32", ("a_0", 3))
        assert list(session.inputs) == ["a", "b"]
        assert list(session.outputs) == ["sum"]
        assert session.execution == "f32"


def test_the_manifest_knows_the_names_of_the_axes(load):
    declared = TensorSpec("sum", "float32", ("batch", 3))
    with load("add", outputs=(declared,)) as session:
        assert session.outputs == {"sum": declared}


def test_the_manifest_knows_which_of_several_names_is_meant(openvino, golden, tmp_path):
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - there only where it is installed

    model = openvino._core.read_model(golden / "engines" / "add.onnx")
    model.outputs[0].add_names({"/a/inner/name", "17", "alias"})
    ov.save_model(model, tmp_path / "openvino_model.xml")
    graph = Graph("unet", tmp_path / "openvino_model.xml", "openvino")
    with openvino.load(graph, device="auto", options=EngineOptions()) as session:
        assert list(session.outputs) == ["sum"]  # neither a number nor a path
    graph = Graph("unet", graph.path, "openvino", outputs=(TensorSpec("alias", "float32", ("batch", 3)),))
    with openvino.load(graph, device="auto", options=EngineOptions()) as session:
        assert list(session.outputs) == ["alias"]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "options",
    [{}, {"threads": 1}, {"low_memory": True}, {"threads": 2, "low_memory": True}, {"execution": "f32"}],
    ids=str,
)
def test_a_graph_is_computed(load, pair, options, format_):
    with load("add", format_=format_, **options) as session:
        for _ in range(2):
            np.testing.assert_array_equal(session.run(pair)["sum"], pair["a"] + pair["b"])


def test_threads_are_those_that_were_asked_for(load):
    for threads in (1, 2):
        with load("add", threads=threads) as session:
            assert session.threads == threads


def test_nothing_is_rounded_unasked(load):
    with load("add", precision="w8") as session:
        compiled = session._model(None).compiled
        assert session.execution == "f32"
        assert compiled.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE") == 0


@pytest.mark.parametrize("low_memory", [False, True])
def test_results_belong_to_the_caller(load, low_memory):
    feeds = {"a": np.ones((2, 3), np.float32), "b": np.zeros((2, 3), np.float32)}
    with load("add", low_memory=low_memory) as session:
        first = session.run(feeds)["sum"]
        kept = first.copy()
        for value in range(5):
            session.run({**feeds, "a": np.full((2, 3), value, np.float32)})
        np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(first, kept)  # also after the session is gone
    first += 1  # and they may be written to


def test_feeds_are_not_written_to_and_need_not_be_contiguous_or_writable(load):
    wide = np.arange(12, dtype=np.float32).reshape(2, 6)
    feeds = {"a": wide[:, ::2], "b": np.broadcast_to(np.float32(0), (2, 3))}
    with load("add") as session:
        np.testing.assert_array_equal(session.run(feeds)["sum"], wide[:, ::2])
    np.testing.assert_array_equal(wide, np.arange(12).reshape(2, 6))


def test_a_component_casts_to_half_precision(load):
    with load("half", precision="fp16") as session:
        got = Loaded("unet", session).run({"a": np.array([0.5, 1.25, 2049], np.float64)}, ["twice"])["twice"]
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, np.array([1.0, 2.5, 4096], np.float16))


def test_shapes_may_change_from_call_to_call(load):
    with load("add") as session:
        for batch in (2, 1, 5, 2):
            a = np.random.default_rng(batch).standard_normal((batch, 3)).astype(np.float32)
            np.testing.assert_array_equal(session.run({"a": a, "b": a})["sum"], a + a)


@pytest.mark.parametrize("change", [{"c": np.zeros((2, 3), np.float32)}, {"a": None}], ids=["too many", "too few"])
def test_names_are_checked(load, pair, change):
    feeds = {name: array for name, array in {**pair, **change}.items() if array is not None}
    with load("add") as session, pytest.raises(EngineError, match="in `unet`: it takes a, b, got "):
        session.run(feeds)


@pytest.mark.parametrize(
    ("a", "why"),
    [
        (np.zeros((2, 3), np.float64), "`a` is float64, expected float32"),
        (np.zeros((2, 3), np.int64), "`a` is int64, expected float32"),
        (np.zeros((2, 4), np.float32), r"shape=\(2.4\)\) are incompatible"),
        (np.zeros((2, 3, 1), np.float32), r"shape=\(2.3.1\)\) are incompatible"),
    ],
    ids=["double", "integer", "width", "rank"],
)
def test_a_session_refuses_what_the_graph_does_not_take(load, pair, a, why):
    with load("add") as session:
        with pytest.raises(EngineError, match=f"OpenVINO failed in `unet`: .*{why}") as caught:
            session.run({**pair, "a": a})
        assert "\n" not in caught.value.sentence
        np.testing.assert_array_equal(session.run(pair)["sum"][0], [10, 11, 12])


@pytest.mark.parametrize("content", [b"", None], ids=["empty", "cut"])
def test_a_corrupted_file(load, golden, tmp_path, content, capfd):
    path = tmp_path / "model.onnx"
    whole = (golden / "engines" / "add.onnx").read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(EngineError, match="OpenVINO cannot load `unet` for `cpu`: ") as caught:
        load("add", path=path)
    assert "\n" not in caught.value.sentence
    assert capfd.readouterr() == ("", "")


def test_missing_weights(load, ir, tmp_path):
    path = tmp_path / "openvino_model.xml"
    path.write_bytes(ir("chain").read_bytes())
    with pytest.raises(EngineError, match="cannot load `unet` for `cpu`: Empty weights data in bin file"):
        load("chain", path=path, format_="openvino")


def test_a_missing_file(load, tmp_path):
    with pytest.raises(EngineError, match=r"cannot load `unet` for `cpu`: .*nothing\.onnx"):
        load("add", path=tmp_path / "nothing.onnx")


def test_a_path_with_letters_of_all_kinds(load, golden, pair, tmp_path):
    path = tmp_path / "моя модель 猫 🍎.onnx"
    path.write_bytes((golden / "engines" / "add.onnx").read_bytes())
    with load("add", path=path) as session:
        assert session.run(pair)["sum"].shape == (2, 3)


def test_another_format(load, tmp_path):
    with pytest.raises(EngineError, match="its format is `tflite`, expected one of openvino, onnx"):
        load("add", path=tmp_path / "a.tflite", format_="tflite")


def test_a_closed_session(load, pair):
    session = load("add")
    session.close()
    session.close()
    with pytest.raises(EngineError, match="`unet` is closed"):
        session.run(pair)


def test_runs_at_the_same_time_do_not_mix(load):
    failures = []
    with load("chain") as session:
        alone = {seed: session.run(_rows(40 + seed, seed))["y"] for seed in range(4)}

        def repeat(seed):
            results = [session.run(_rows(40 + seed, seed))["y"] for _ in range(5)]
            failures.extend(seed for result in results if not np.array_equal(result, alone[seed]))

        threads = [threading.Thread(target=repeat, args=(seed,)) for seed in alone]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []


def _rows(count, seed):
    return {"x": np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32)}


# Devices


def test_the_processor_is_the_first_device_and_auto(openvino, load):
    names = [device.name for device in openvino.devices()]
    assert names[0] == "cpu"
    assert names[-1] == "auto-plugin"
    assert all(device.description and "f32" in device.executions for device in openvino.devices()[:1])
    with load("add", device="auto") as session:
        assert session._compiler.place.target == "CPU"


def test_openvinos_own_choice_computes_too(load, pair):
    with load("add", device="auto-plugin", threads=1) as session:
        np.testing.assert_array_equal(session.run(pair)["sum"], pair["a"] + pair["b"])


@pytest.mark.parametrize("device", ["cuda", "CPU", "", "gpu.7", "AUTO"])
def test_an_unknown_device(load, device):
    with pytest.raises(DeviceError, match=r"is not available: expected one of cpu, .*auto-plugin"):
        load("add", device=device)


def test_a_named_device_finds_the_engine_that_has_it(openvino):
    assert engine_for("onnx").name == engine_for("onnx", "cpu").name == "onnxruntime"
    assert engine_for("onnx", "auto-plugin").name == openvino.name
    assert engine_for("openvino", "cpu").name == openvino.name
    with pytest.raises(DeviceError, match=r"`vulkan` is not available: expected one of cpu, .*auto-plugin"):
        engine_for("onnx", "vulkan")


def test_an_execution_that_the_device_lacks_is_refused(load, openvino):
    (cpu,) = (device for device in openvino.devices() if device.name == "cpu")
    for execution in {"bf16", "f16"} - set(cpu.executions):
        with pytest.raises(SettingError, match=rf"`execution` is '{execution}': expected f32.*`openvino` on `cpu`"):
            load("add", execution=execution)


@pytest.mark.parametrize("execution", ["bf16", "f16"])
def test_an_execution_that_the_device_has(load, openvino, pair, execution):
    if execution not in openvino.devices()[0].executions:
        pytest.skip(f"this processor has no {execution}")
    with load("add", execution=execution) as session:
        assert session.execution == execution
        np.testing.assert_allclose(session.run(pair)["sum"], pair["a"] + pair["b"], rtol=2**-7)


def test_importing_the_engine_reports_nothing(openvino, tmp_path):
    """The library keeps an id in the user's home, and sends it: both must not happen."""
    code = (
        "import sys; from edgediff_runtimes.engines import get_engine; get_engine('openvino');"
        "sys.exit('openvino_telemetry' in sys.modules)"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, check=False)
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert openvino.version == get_engine("openvino").version


def test_a_directory_of_openvinos_graphs_draws(openvino, golden, tmp_path):
    """IR without a manifest, as optimum-intel leaves it: only the graphs know their names, also from the cache."""
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - there only where it is installed

    folder = shutil.copytree(golden / "bundle", tmp_path / "bundle")
    (folder / "edgediff.json").unlink()
    for path in list(folder.glob("*/model.onnx")):
        ov.save_model(openvino._core.read_model(path), path.with_name("openvino_model.xml"), compress_to_fp16=False)
        path.unlink()
    options = {"seed": 0, "steps": 3, "width": 64, "height": 64, "guidance": 5.0}
    with Pipeline(Bundle.open(golden / "bundle")) as pipeline:
        expected = pipeline("a red apple", **options).latents
    for _ in range(2):
        with Pipeline(Bundle.open(folder)) as pipeline:
            result = pipeline("a red apple", **options)
        assert {how.engine for how in result.computed.values()} == {"openvino"}
        np.testing.assert_allclose(result.latents, expected, rtol=0, atol=1e-5)
