from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgediff_exporters import graph_file
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.quantization.onnx_layers import quantisable
from edgediff_exporters.quantization.onnx_schemes import SCHEMES
from edgediff_runtimes.bundle import OperatorCount
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.quality.measures import energies, energies_db

FLOAT, HALF, INT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8
LAYERS = ("h", "y", "q", "k", "o")


@pytest.fixture(scope="module")
def made(trained, calls, tmp_path_factory):
    """Written graphs by precision and by what was kept."""
    quantiser, done = quantiser_for("onnx"), {}

    def make(precision, keep=()):
        key = precision, tuple(keep)
        if key not in done:
            folder = tmp_path_factory.mktemp(precision)
            files = quantiser.quantise(trained, folder, precision=precision, feeds=calls, keep=keep)
            done[key] = folder / files[0].name
        return done[key]

    return make


def outputs(path, feeds):
    graph = Graph("block", path, "onnx")
    with get_engine("onnxruntime").load(graph, device="cpu", options=EngineOptions()) as session:
        return [session.run(call)["result"] for call in feeds]


@pytest.fixture(scope="module")
def snr_db(trained, held_out):
    """SNR of a graph against the fp32 one on held-out calls."""
    expected = outputs(trained, held_out)

    def snr_db(path):
        pairs = [energies(*pair) for pair in zip(expected, outputs(path, held_out), strict=True)]
        return energies_db(*map(sum, zip(*pairs, strict=True)))

    return snr_db


def initialisers(path):
    return {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}


def test_the_layers_are_those_with_weights_but_the_ends_and_what_has_one_row(trained):
    layers = quantiser_for("onnx").layers(trained)
    assert tuple(layer.name for layer in layers) == LAYERS
    assert [(layer.op, layer.shape, layer.elements) for layer in layers[:3]] == [
        ("Conv", (96, 112, 3, 3), 96 * 112 * 9),
        ("Conv", (96, 112, 1, 1), 96 * 112),
        ("MatMul", (96, 96), 96 * 96),
    ]


def test_what_alone_reads_the_first_convolution_stays_in_float():
    def conv(source, target):
        return helper.make_node("Conv", [source, "w"], [target], name=target)

    def names(nodes):
        ports = [helper.make_tensor_value_info(name, FLOAT, [1, 4, 8, 8]) for name in ("x", "result")]
        weight = numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32), "w")
        graph = helper.make_graph(nodes, "vae", ports[:1], ports[1:], [weight])
        return [layer.node.name for layer in quantisable(helper.make_model(graph), SCHEMES["int8"])]

    chain = [conv("x", "first"), conv("first", "second"), conv("second", "third"), conv("third", "result")]
    assert names(chain) == ["third"]
    other = helper.make_node("Add", ["first", "second"], ["sum"])
    assert names([*chain[:2], other, conv("sum", "third"), chain[3]]) == ["second", "third"]


def test_int8_counts(made):
    assert quantiser_for("onnx").count(made("int8")) == {
        "Conv": OperatorCount(4, 2, 2),
        "Gemm": OperatorCount(1, 1, 0),
        "MatMul": OperatorCount(5, 3, 3),
    }


def test_int8_is_near_and_no_copy(made, snr_db, trained):
    assert 36 < snr_db(made("int8")) < 50  # 41.3
    assert made("int8").stat().st_size < 0.45 * trained.stat().st_size  # the ends are large here, and in half
    onnx.checker.check_model(made("int8"), full_check=True)


def test_the_engine_computes_with_whole_numbers(made, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # it warns that such a file is for this machine
    ort.InferenceSession(str(made("int8")), options, providers=["CPUExecutionProvider"])
    ops = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert ops.count("QLinearConv") == 2
    assert ops.count("MatMulIntegerToFloat") == 3


def test_no_pair_of_weights_can_saturate_sixteen_bits(made):
    weights = [t for t in initialisers(made("int8")).values() if t.data_type == INT8 and t.name.endswith("_quantized")]
    assert len(weights) == len(LAYERS)
    for tensor in weights:
        largest = np.abs(numpy_helper.to_array(tensor).astype(int)).max()
        assert largest == 64
        assert 2 * 255 * largest < 2**15


def test_what_is_not_quantised_reads_unrounded_numbers(made):
    graph = onnx.load(made("int8")).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    nodes = {node.name: node for node in graph.node}
    assert makers[nodes["q"].input[0]] == "DequantizeLinear"
    assert makers[nodes["mixed"].input[1]] == "LayerNormalization"
    assert makers[nodes["n"].input[0]] == "Conv"


def test_layers_that_are_kept_stay_in_float_and_in_half(made, snr_db):
    path = made("int8", ["h", "q"])
    assert quantiser_for("onnx").count(path)["Conv"] == OperatorCount(4, 1, 1)
    assert quantiser_for("onnx").count(path)["MatMul"] == OperatorCount(5, 2, 2)
    halves = {name for name, tensor in initialisers(path).items() if tensor.data_type == HALF}
    assert halves == {"first.half", "last.half", "conv.half", "query.half"}
    assert snr_db(path) > snr_db(made("int8"))


def test_with_all_layers_kept_only_stored_weights_are_rounded(made, snr_db):
    assert snr_db(made("mixed", LAYERS)) > 44  # 46.6: what has one row per picture is stored in int8


def test_the_same_calls_give_the_same_file(trained, calls, made, tmp_path):
    (file,) = quantiser_for("onnx").quantise(trained, tmp_path, precision="int8", feeds=calls)
    assert (tmp_path / file.name).read_bytes() == made("int8").read_bytes()


def test_weights_beside_the_graph_are_read_and_written(trained, calls, snr_db, made, tmp_path, monkeypatch):
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    source = tmp_path / "from" / "model.onnx"
    onnx.save(onnx.load(trained), source, save_as_external_data=True, location="model.onnx_data", size_threshold=1024)
    monkeypatch.setattr(graph_file, "INLINE_BYTES", 1024)
    files = quantiser_for("onnx").quantise(source, tmp_path / "to", precision="int8", feeds=calls)
    assert [file.name for file in files] == ["model.onnx", "model.onnx_data"]
    assert snr_db(tmp_path / "to" / "model.onnx") == pytest.approx(snr_db(made("int8")), abs=0.01)
    assert {path.name for path in source.parent.iterdir()} == {"model.onnx", "model.onnx_data"}


def test_int8_without_calls_is_a_programming_error(trained, tmp_path):
    with pytest.raises(ValueError, match="calls to calibrate with"):
        quantiser_for("onnx").quantise(trained, tmp_path, precision="int8", feeds=None)


def test_a_format_without_quantiser_is_refused():
    with pytest.raises(SettingError, match="`format` is 'coreml': expected one of onnx, openvino"):
        quantiser_for("coreml")


def test_one_row_per_picture_is_told_by_the_shape_the_graph_states(trained):
    model = onnx.load(trained)
    del model.graph.value_info[:]
    assert [layer.node.name for layer in quantisable(model, SCHEMES["int8"])] == list(
        LAYERS
    )  # what is not known is taken


def test_a16w8_rounds_every_convolution_and_product_with_weights_and_nothing_else(made, snr_db, trained):
    path = made("a16w8")
    assert quantiser_for("onnx").count(path) == {
        "Conv": OperatorCount(4, 4, 4),
        "Gemm": OperatorCount(1, 1, 1),
        "MatMul": OperatorCount(5, 3, 4),  # of one more, both factors are results of those
    }
    graph = onnx.load(path).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    readers = {name: node for node in graph.node for name in node.input}
    whole = {"Conv", "Gemm", "MatMul"}
    for node in graph.node:
        if node.op_type in whole and node.name not in ("scores", "mixed"):
            assert makers[node.input[0]] == makers[node.input[1]] == "DequantizeLinear"
            assert readers[node.output[0]].op_type == "QuantizeLinear", node.name
        if node.op_type == "QuantizeLinear":
            assert makers[node.input[0]] in {"Identity", *whole}
    assert 36 < snr_db(path) < 60
    assert path.stat().st_size < 0.3 * trained.stat().st_size
    onnx.checker.check_model(path, full_check=True)


def test_a16w8_has_activations_of_16_bits_and_a_scale_per_channel(made):
    stored = initialisers(made("a16w8"))
    kinds = {tensor.data_type for name, tensor in stored.items() if name.endswith("_zero_point")}
    assert kinds == {onnx.TensorProto.UINT16, INT8, onnx.TensorProto.INT32}  # of activations, of weights, of biases
    for node in onnx.load(made("a16w8")).graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("_quantized"):
            tensor, (axis,) = stored[node.input[0]], (a.i for a in node.attribute if a.name == "axis")
            assert list(stored[node.input[1]].dims) == [tensor.dims[axis]]
