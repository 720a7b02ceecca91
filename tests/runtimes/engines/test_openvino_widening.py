"""Graphs that take whole time steps take any in our OpenVINO engine; two outputs may be one tensor."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.engines import EngineOptions, Graph
from edgediff_runtimes.tensors import TensorSpec


@pytest.fixture
def graph(openvino, tmp_path):
    """Multiplies a sample with a whole ``timestep`` and adds a row that ``index`` looks up."""
    del openvino  # skips where there is none
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - there only where it is installed

    op = ov.opset13
    sample = op.parameter([-1, 3], ov.Type.f32, name="sample")
    step = op.parameter([1], ov.Type.i64, name="timestep")
    index = op.parameter([1], ov.Type.i64, name="index")
    for parameter in (sample, step, index):
        parameter.output(0).get_tensor().set_names({parameter.get_friendly_name()})
    table = op.constant(np.arange(6, dtype=np.float32).reshape(2, 3))
    row = op.gather(table, index, op.constant(np.int64(0)))
    result = op.add(op.multiply(sample, op.convert(step, ov.Type.f32)), row)
    result.output(0).get_tensor().set_names({"result"})
    path = tmp_path / "openvino_model.xml"
    ov.save_model(ov.Model([result], [sample, step, index], "unet"), path, compress_to_fp16=False)
    return path


DECLARED = (
    TensorSpec("sample", "float32", ("batch", 3)),
    TensorSpec("timestep", "int64", (1,)),
    TensorSpec("index", "int64", (1,)),
)


@pytest.mark.parametrize("declared", [(), DECLARED], ids=["derived", "declared"])
def test_a_step_between_two_whole_ones(openvino, graph, declared):
    feeds = {
        "sample": np.ones((2, 3), np.float32),
        "timestep": np.array([0.25], np.float32),
        "index": np.array([1], np.int64),
    }
    for _ in range(2):  # the second time from the cache
        loaded = Graph("unet", graph, "openvino", inputs=declared)
        with openvino.load(loaded, device="auto", options=EngineOptions()) as session:
            kinds = {name: spec.dtype for name, spec in session.inputs.items()}
            assert kinds == {"sample": "float32", "timestep": "float32", "index": "int64"}
            np.testing.assert_array_equal(session.run(feeds)["result"], [[3.25, 4.25, 5.25]] * 2)


@pytest.mark.parametrize("written_by_us", [False, True])
def test_an_open_end_of_a_slice_is_the_same_from_the_cache(openvino, tmp_path, written_by_us):
    from edgediff_runtimes.engines.openvino.compiling import narrowed  # noqa: PLC0415 - as above
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - there only where it is installed

    op = ov.opset13
    x = op.parameter([-1], ov.Type.f32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    start, end, step = (op.constant(np.array([number], np.int64)) for number in (1, 2**63 - 1, 1))
    y = op.slice(x, start, end, step)
    y.output(0).get_tensor().set_names({"y"})
    model = ov.Model([y], [x], "slice")
    assert not written_by_us or narrowed(model)
    ov.save_model(model, tmp_path / "openvino_model.xml", compress_to_fp16=False)
    inputs = (TensorSpec("x", "float32", ("length",)),) if written_by_us else ()
    for _ in range(2):  # the second time from the cache
        graph = Graph("transformer", tmp_path / "openvino_model.xml", "openvino", inputs=inputs)
        with openvino.load(graph, device="auto", options=EngineOptions()) as session:
            np.testing.assert_array_equal(session.run({"x": np.arange(5, dtype=np.float32)})["y"], [1, 2, 3, 4])


def test_an_exact_whole_step_is_what_it_was(openvino, graph):
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - there only where it is installed

    feeds = {"sample": np.full((1, 3), 2, np.float32), "index": np.array([0], np.int64)}
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = compiled({**feeds, "timestep": np.array([981], np.int64)})[0]
    with openvino.load(Graph("unet", graph, "openvino"), device="auto", options=EngineOptions()) as session:
        got = session.run({**feeds, "timestep": np.array([981], np.float32)})["result"]
    np.testing.assert_array_equal(got, expected)


def test_two_outputs_that_are_one_tensor(openvino, tmp_path):
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - as above

    op = ov.opset13
    x = op.parameter([-1, 3], ov.Type.f32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    twice = op.add(x, x)
    twice.output(0).get_tensor().set_names({"last", "hidden.2"})
    half = op.multiply(x, op.constant(np.float32(0.5)))
    half.output(0).get_tensor().set_names({"half"})
    model = ov.Model([op.result(twice), op.result(half), op.result(twice)], [x], "text_encoder")
    ov.save_model(model, tmp_path / "openvino_model.xml", compress_to_fp16=False)
    row = np.arange(3, dtype=np.float32)[None]
    graph = Graph("text_encoder", tmp_path / "openvino_model.xml", "openvino", ())
    with openvino.load(graph, device="cpu", options=EngineOptions(execution="f32")) as session:
        given = session.run({"x": row})
    np.testing.assert_array_equal(given.pop("half"), row / 2)
    (whole,) = given.values()
    np.testing.assert_array_equal(whole, row * 2)
