from __future__ import annotations

import builtins
import logging
import sys

import numpy as np
import onnx
import pytest

pytest.importorskip("nncf")

from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.quantization.nncf_library import quiet_nncf
from edgediff_runtimes.bundle import OperatorCount, sha256_of
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.errors import NotInstalledError
from edgediff_runtimes.quality.measures import energies, energies_db
from edgediff_runtimes.tensors import TensorSpec

LAYERS = ("h", "y", "q", "k", "o")
FLOAT_LIKE = ("fp32", "fp16", "bf16", "w16")


@pytest.fixture(scope="module")
def made(trained, calls, tmp_path_factory):
    """Written graphs by precision and by what was kept."""
    quantiser, done = quantiser_for("openvino"), {}

    def make(precision, keep=()):
        key = precision, tuple(keep)
        if key not in done:
            folder = tmp_path_factory.mktemp(precision)
            files = quantiser.quantise(trained, folder, precision=precision, feeds=calls, keep=keep)
            done[key] = folder / files[0].name
        return done[key]

    return make


def outputs(path, feeds, engine="openvino", execution=None):
    graph = Graph("block", path, "openvino" if path.suffix == ".xml" else "onnx")
    with get_engine(engine).load(graph, device="cpu", options=EngineOptions(execution=execution)) as session:
        return [session.run(call)["result"] for call in feeds]


@pytest.fixture(scope="module")
def snr_db(trained, held_out):
    """SNR of a graph against the fp32 one of ONNX Runtime, on held-out calls."""
    expected = outputs(trained, held_out, "onnxruntime")

    def snr_db(path):
        pairs = [energies(*pair) for pair in zip(expected, outputs(path, held_out), strict=True)]
        return energies_db(*map(sum, zip(*pairs, strict=True)))

    return snr_db


def plain(name):
    """A node's name without what OpenVINO appends where it parts a bias from it."""
    return name.removesuffix("/WithoutBiases")


def size_of(path):
    return path.stat().st_size + path.with_suffix(".bin").stat().st_size


def test_the_layers_are_those_with_weights_but_the_ends_and_what_has_one_row(trained):
    layers = quantiser_for("openvino").layers(trained)
    assert tuple(plain(layer.name) for layer in layers) == LAYERS
    assert [(layer.op, layer.shape, layer.elements) for layer in layers[:3]] == [
        ("Convolution", (96, 112, 3, 3), 96 * 112 * 9),
        ("Convolution", (96, 112, 1, 1), 96 * 112),
        ("MatMul", (96, 96), 96 * 96),
    ]


# Seen: 120, 70, 70, 70, 42, 24 dB.
@pytest.mark.parametrize(
    ("precision", "low", "high"),
    [("fp32", 110, 150), ("fp16", 60, 80), ("bf16", 60, 80), ("w16", 60, 80), ("w8", 38, 50), ("w4", 18, 35)],
)
def test_stored_smaller_is_near(made, snr_db, precision, low, high, figure):
    figure(f"OpenVINO {precision}: {snr_db(made(precision)):.1f} dB, {size_of(made(precision)):,} bytes")
    assert low < snr_db(made(precision)) < high


def test_int8_is_near_and_no_copy(made, snr_db, figure):
    figure(f"OpenVINO int8: {snr_db(made('int8')):.1f} dB")
    assert 30 < snr_db(made("int8")) < 45
    assert size_of(made("int8")) < 0.45 * size_of(made("fp32"))  # the ends are large here, and in half


def test_counts(made):
    """Two products are inside the attention; of the four others one has one row, so its activations stay in float."""
    count = quantiser_for("openvino").count
    for precision in FLOAT_LIKE:
        assert count(made(precision)) == {"Convolution": OperatorCount(4, 0, 0), "MatMul": OperatorCount(4, 0, 0)}
    for precision in ("w8", "w4"):
        assert count(made(precision)) == {"Convolution": OperatorCount(4, 2, 0), "MatMul": OperatorCount(4, 4, 0)}
    assert count(made("int8")) == {"Convolution": OperatorCount(4, 2, 2), "MatMul": OperatorCount(4, 4, 3)}


def test_w4_stores_products_in_four_bits(made):
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - as all imports of it

    kinds = [
        node.get_element_type().get_type_name()
        for node in ov.Core().read_model(made("w4")).get_ordered_ops()
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) > 1
    ]
    assert kinds.count("u4") >= 3


@pytest.mark.parametrize("kept", [("y",), ("q",), ("h", "o"), LAYERS], ids="-".join)
def test_kept_layers_are_in_float(made, snr_db, trained, kept):
    quantiser = quantiser_for("openvino")
    names = [layer.name for layer in quantiser.layers(trained) if plain(layer.name) in kept]
    path = made("mixed", names)
    convolutions = sum(name in ("h", "y") for name in kept)
    products = len(kept) - convolutions
    counts = quantiser.count(path)
    assert counts["Convolution"] == OperatorCount(4, 2 - convolutions, 2 - convolutions)
    assert counts["MatMul"] == OperatorCount(4, 4 - products, 3 - products)
    # A single layer's errors may happen to meet others' and cancel a little.
    assert snr_db(path) > snr_db(made("int8")) + (3 if kept == LAYERS else -0.2)


def test_a_search_calibrates_once(trained, calls, tmp_path, monkeypatch):
    from edgediff_exporters.quantization import openvino_graphs  # noqa: PLC0415 - of this test alone

    seen = []
    whole = openvino_graphs.quantise_layers
    monkeypatch.setattr(openvino_graphs, "quantise_layers", lambda *given: seen.append(given) or whole(*given))
    quantiser = quantiser_for("openvino")
    keep = quantiser.layers(trained)[0].name
    files = [
        quantiser.quantise(trained, folder, precision="mixed", feeds=calls, keep=kept)
        for folder, kept in ((make_folder(tmp_path, "a"), [keep]), (make_folder(tmp_path, "b"), []))
    ]
    assert len(seen) == 1
    assert quantiser.count(tmp_path / "b" / files[1][0].name)["Convolution"] == OperatorCount(4, 2, 2)
    quantiser.quantise(trained, make_folder(tmp_path, "c"), precision="int8", feeds=list(calls))
    assert len(seen) == 2


def make_folder(parent, name):
    (parent / name).mkdir()
    return parent / name


@pytest.mark.parametrize("precision", ["fp32", "w16", "w8", "w4", "int8"])
def test_two_exports_are_the_same_bytes(trained, calls, tmp_path, made, precision):
    again = quantiser_for("openvino").quantise(
        trained, make_folder(tmp_path, made(precision).parent.name), precision=precision, feeds=calls
    )
    assert [file.sha256 for file in again] == [
        sha256_of(made(precision)),
        sha256_of(made(precision).with_suffix(".bin")),
    ]


def test_the_file_says_what_it_is_and_keeps_names(made):
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - as all imports of it

    model = ov.Core().read_model(made("int8"))
    assert model.get_rt_info(["edgediff", "precision"]).value == "int8"
    assert [port.any_name for port in model.inputs] == ["sample", "embedding"]
    assert [port.any_name for port in model.outputs] == ["result"]
    assert str(model.input("sample").partial_shape) == "[?,16,?,?]"


def test_quantising_says_nothing(trained, calls, tmp_path, capfd):
    level = logging.getLogger("nncf").level
    for precision in ("w8", "w4", "int8"):
        quantiser_for("openvino").quantise(trained, make_folder(tmp_path, precision), precision=precision, feeds=calls)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("nncf").level == level


def test_nncf_has_no_telemetry():
    with quiet_nncf() as nncf:
        assert type(nncf.telemetry.telemetry).__name__ == "MagicMock"  # its stub


def test_int8_needs_calls(trained, tmp_path):
    with pytest.raises(ValueError, match="`int8` needs calls to calibrate with"):
        quantiser_for("openvino").quantise(trained, tmp_path, precision="int8", feeds=None)


def test_what_is_not_installed_is_named(monkeypatch, trained, tmp_path):
    real = builtins.__import__

    def refuse(name, *given, **named):
        if name == "nncf":
            raise ImportError("No module named 'nncf'")
        return real(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.delitem(sys.modules, "nncf", raising=False)
    with pytest.raises(NotInstalledError, match="hint: pip install '"):
        quantiser_for("openvino").quantise(trained, tmp_path, precision="w8", feeds=None)


def test_inputs_are_those_of_the_file():
    given = [
        TensorSpec("sample", "float32", ("batch", 4)),
        TensorSpec("timestep", "float32", (1,)),
        TensorSpec("input_ids", "int32", ("batch",)),
    ]
    inputs = quantiser_for("openvino").inputs(given)
    assert [(spec.name, spec.dtype, spec.shape) for spec in inputs] == [
        ("sample", "float32", ("batch", 4)),
        ("timestep", "int64", (1,)),
        ("input_ids", "int64", ("batch",)),
    ]
    assert quantiser_for("onnx").inputs(given) == tuple(given)


@pytest.mark.parametrize(("sample", "kind"), [("sample", "int64"), ("hidden_states", "float32")])
def test_the_time_step_of_a_unet_is_whole_and_that_of_a_transformer_is_not(tmp_path, sample, kind):
    from edgediff_runtimes.engines.openvino.library import ov  # noqa: PLC0415 - as all imports of it

    given = [TensorSpec(sample, "float32", (1, 4)), TensorSpec("timestep", "float32", (1,))]
    inputs = [onnx.helper.make_tensor_value_info(spec.name, onnx.TensorProto.FLOAT, spec.shape) for spec in given]
    result = onnx.helper.make_tensor_value_info("result", onnx.TensorProto.FLOAT, (1, 4))
    node = onnx.helper.make_node("Add", [sample, "timestep"], ["result"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "graph", inputs, [result]), ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    quantiser = quantiser_for("openvino")
    quantiser.quantise(tmp_path / "model.onnx", tmp_path, precision="fp32", feeds=None)
    written = ov.Core().read_model(tmp_path / "openvino_model.xml")
    assert [port.get_element_type().to_dtype().name for port in written.inputs] == ["float32", kind]
    assert [spec.dtype for spec in quantiser.inputs(given)] == ["float32", kind]


def test_weights_are_read_from_beside_a_graph(made, held_out):
    path = made("fp32")
    weights = path.with_suffix(".bin").read_bytes()
    assert len(weights) > 100_000
    assert np.isfinite(outputs(path, held_out[:1])[0]).all()
