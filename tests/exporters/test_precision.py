from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edgediff_exporters import TrialOptions, export
from edgediff_exporters.precision import precision_by_role
from edgediff_runtimes.engines import EngineOptions, Graph, get_engine
from edgediff_runtimes.errors import SettingError, ToleranceError

UNMEASURED = TrialOptions(evaluation_pictures=0)
FLOAT, HALF, INT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8


@pytest.fixture(scope="module")
def mixed(exported):
    return exported("sd1", precision={"unet": "fp16", "vae_decoder": "w16"}, trials=UNMEASURED)


def initialisers(made, role):
    graph = onnx.load(made.path / role / "model.onnx").graph
    return {tensor.name: tensor for tensor in graph.initializer}


def test_each_component_has_the_precision_asked_for(mixed):
    assert {role: part.precision for role, part in mixed.manifest.components.items()} == {
        "text_encoder": "fp32",
        "unet": "fp16",
        "vae_decoder": "w16",
        "vae_encoder": "fp32",
    }
    assert mixed.manifest.provenance.command.endswith(
        "--precision unet=fp16 --precision vae_decoder=w16 --evaluation-pictures 0"
    )


def test_fp16_computes_in_half_and_talks_in_full(mixed):
    tensors = initialisers(mixed, "unet")
    assert {t.data_type for name, t in tensors.items() if name.endswith(("weight", "bias", "transposed"))} == {HALF}
    unet = mixed.manifest.components["unet"]
    assert {item.dtype for item in (*unet.inputs, *unet.outputs)} == {"float32"}
    assert all(1e-6 < check.error < unet.tolerance for check in unet.checks)


def test_w16_stores_matrices_in_half_and_computes_in_full(mixed, report, tmp_path):
    tensors = initialisers(mixed, "vae_decoder")
    halves = [tensor for tensor in tensors.values() if tensor.data_type == HALF]
    assert halves
    assert all(len(tensor.dims) > 1 for tensor in halves)
    assert all(t.data_type != FLOAT or len(t.dims) < 2 for t in tensors.values())
    decoder = mixed.manifest.components["vae_decoder"]
    assert all(1e-6 < check.error < 1e-2 for check in decoder.checks)
    # Rounding the weights, and nothing else, is what it does: the fp32 graph with rounded weights says the same.
    full = onnx.load(report.path / "vae_decoder" / "model.onnx")
    for tensor in full.graph.initializer:
        if tensor.data_type == FLOAT and len(tensor.dims) > 1:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    onnx.save(full, tmp_path / "rounded.onnx")
    feeds = {"latent_sample": np.random.default_rng(0).standard_normal((1, 4, 8, 8), dtype=np.float32)}
    results = [
        ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        for path in (tmp_path / "rounded.onnx", mixed.path / "vae_decoder" / "model.onnx")
    ]
    np.testing.assert_allclose(*results, atol=1e-6)


def test_the_engine_widens_w16_weights_once_at_load(mixed, tmp_path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    ort.InferenceSession(str(mixed.path / "vae_decoder" / "model.onnx"), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    assert HALF not in {tensor.data_type for tensor in graph.initializer}
    assert not [node for node in graph.node if node.op_type == "Cast" and node.output[0].endswith(".full")]


def test_half_the_bytes(mixed, report):
    for role in ("unet", "vae_decoder"):
        half, full = (made.manifest.components[role] for made in (mixed, report))
        weights = sum(np.prod(t.dims) * 4 for t in initialisers(report, role).values() if t.data_type == FLOAT)
        assert full.files[0].bytes - half.files[0].bytes > 0.4 * weights


@pytest.fixture(scope="module")
def eighth(exported):
    return exported("sd1", precision="w8", trials=UNMEASURED)


ROLES = ("text_encoder", "unet", "vae_decoder", "vae_encoder")


@pytest.mark.parametrize("role", ROLES)
def test_w8_stores_every_matrix_in_whole_numbers(eighth, report, role):
    tensors = initialisers(eighth, role)
    whole = {name: tensor for name, tensor in tensors.items() if tensor.data_type == INT8}
    matrices = {n: t for n, t in initialisers(report, role).items() if ".weight" in n and len(t.dims) > 1}
    assert {name.removesuffix(".int8"): tensor.dims for name, tensor in whole.items()} == {
        name: tensor.dims for name, tensor in matrices.items()
    }
    assert not matrices.keys() & tensors.keys()
    for name, tensor in whole.items():
        numbers = onnx.numpy_helper.to_array(tensor)
        (scale,) = tensors[name.replace(".int8", ".scale")].dims
        assert scale in numbers.shape
        assert max(numbers.max(), -int(numbers.min())) == 127


@pytest.mark.parametrize("role", ROLES)
def test_w8_is_close_to_its_module_and_small(eighth, report, role):
    part, full = eighth.manifest.components[role], report.manifest.components[role]
    assert all(1e-4 < check.error < part.tolerance for check in part.checks)
    weights = sum(np.prod(t.dims) * 4 for t in initialisers(report, role).values() if t.data_type == FLOAT)
    assert full.files[0].bytes - part.files[0].bytes > 0.5 * weights  # scales weigh much where matrices are tiny


@pytest.mark.parametrize("role", ROLES)
def test_what_is_quantised_is_counted(eighth, report, mixed, role):
    part = eighth.manifest.components[role]
    numbers = sum(tensor.data_type == INT8 for tensor in initialisers(eighth, role).values())
    assert sum(count.quantised_weights for count in part.operators.values()) == numbers
    assert {count.quantised_activations for count in part.operators.values()} == {0}
    for other in (report, mixed):
        counts = other.manifest.components[role].operators
        assert {op: count.total for op, count in counts.items()} == {op: c.total for op, c in part.operators.items()}
        assert {count.quantised_weights for count in counts.values()} == {0}


def test_every_kind_of_operator_is_counted(eighth):
    counts = eighth.manifest.components["unet"].operators
    assert counts["Conv"].quantised_weights == counts["Conv"].total > 10
    assert counts["MatMul"].quantised_weights == counts["MatMul"].total > 10  # attention is an operator of its own
    text = eighth.manifest.components["text_encoder"].operators
    assert text["MatMul"].total - text["MatMul"].quantised_weights >= 2  # causal attention: of two activations each
    assert text["Gather"].total == 2


@pytest.mark.parametrize("low_memory", [False, True])
def test_w8_computes_in_full(eighth, report, tmp_path, low_memory):
    """Rounding the weights, and nothing else, is what it does: the fp32 graph with those weights says the same."""
    full = onnx.load(report.path / "unet" / "model.onnx")
    tensors = initialisers(eighth, "unet")
    for tensor in full.graph.initializer:
        if f"{tensor.name}.int8" in tensors:
            numbers, scales = (
                onnx.numpy_helper.to_array(tensors[f"{tensor.name}.{part}"]) for part in ("int8", "scale")
            )
            (along,) = _axes(eighth, f"{tensor.name}.int8")
            shape = [-1 if axis == along else 1 for axis in range(numbers.ndim)]
            rounded = numbers.astype(np.float32) * scales.reshape(shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, tensor.name))
    onnx.save(full, tmp_path / "rounded.onnx")
    dice = np.random.default_rng(0)
    feeds = {
        "sample": dice.standard_normal((2, 4, 8, 8), dtype=np.float32),
        "timestep": np.array([300], np.float32),
        "encoder_hidden_states": dice.standard_normal((2, 7, 16), dtype=np.float32),
    }
    graphs = (
        Graph("unet", tmp_path / "rounded.onnx", "onnx"),
        Graph("unet", eighth.path / "unet" / "model.onnx", "onnx", precision="w8"),
    )
    results = []
    for graph in graphs:
        options = EngineOptions(low_memory=low_memory)
        with get_engine("onnxruntime").load(graph, device="cpu", options=options) as session:
            results.append(session.run(feeds)["out_sample"])
    assert np.abs(results[0]).max() > 0.1
    np.testing.assert_allclose(*results, atol=2e-6)


def _axes(made, name):
    graph = onnx.load(made.path / "unet" / "model.onnx").graph
    return [node.attribute[0].i for node in graph.node if name in node.input]


def test_a_star_stands_for_the_components_not_named():
    chosen = precision_by_role({"*": "fp16", "vae": "fp32"}, {"unet": "network", "vae": "picture"})
    assert chosen == {"unet": "fp16", "vae": "fp32"}


@pytest.mark.parametrize("precision", ["fp8", {"unet": "int3"}])
def test_an_unknown_precision_is_refused(precision):
    with pytest.raises(SettingError, match="expected one of fp32, fp16, bf16, w16, w8, w4, int8, mixed"):
        precision_by_role(precision, {"unet": "network"})


def test_a_precision_for_an_unknown_component_is_refused():
    with pytest.raises(SettingError, match=r"transformer=fp16.*expected components among unet, vae"):
        precision_by_role({"transformer": "fp16"}, {"unet": "network", "vae": "picture"})


def test_above_the_tolerance_nothing_is_left(sd1, tmp_path, monkeypatch):
    monkeypatch.setattr("edgediff_exporters.families.base.TOLERANCES", {"fp32": 1e-12})
    with pytest.raises(ToleranceError, match="text_encoder"):
        export(sd1, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
