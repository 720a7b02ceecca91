"""The target ``qnn``: operators that Qualcomm's compiler takes, layers of whole numbers; without its package."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgediff
from edgediff_exporters import TrialOptions
from edgediff_exporters.targets import TARGETS
from edgediff_exporters.targets.base import Modules
from edgediff_exporters.targets.qnn import COMPUTED, LeftOperatorsWarning
from edgediff_exporters.targets.request import wanted
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.weights.reading import stored_weights

SIZES = ((16, 16), (24, 16))
WHOLE = {"Conv", "Gemm"}


@pytest.fixture(scope="module")
def made(exported):
    """Exports of a tiny model, by what is asked for."""
    trials = TrialOptions(evaluation_pictures=1, calibration_pictures=1, trial_steps=1)
    straight = TrialOptions(evaluation_pictures=1, trial_steps=1)
    return {
        "a16w8": exported("sd1", target="qnn", sizes=list(SIZES), trials=trials),
        "fp16": exported("sd1", target="qnn", precision="fp16", sizes=[SIZES[0]], trials=straight),
    }


def graphs(made):
    """Each graph of each component."""
    for role, component in made.manifest.components.items():
        for graph in component.fixed:
            yield role, onnx.load(made.path / graph.file)


@pytest.mark.parametrize("precision", ["a16w8", "fp16"])
def test_graphs_have_only_operators_that_it_takes(made, precision):
    for role, model in graphs(made[precision]):
        assert {node.domain for node in model.graph.node} == {""}
        assert {node.op_type for node in model.graph.node} <= COMPUTED, role
        for value in (*model.graph.input, *model.graph.output):
            assert all(axis.dim_value > 0 for axis in value.type.tensor_type.shape.dim)
    for component in made[precision].manifest.components.values():
        for file in component.fixed:
            onnx.checker.check_model(str(made[precision].path / file.file), full_check=True)


def test_what_a_model_is_exported_in_by_default(made):
    components = made["a16w8"].manifest.components
    assert {role: component.precision for role, component in components.items()} == {
        "text_encoder": "fp16",
        "unet": "a16w8",
        "vae_decoder": "a16w8",
        "vae_encoder": "a16w8",
    }
    assert made["a16w8"].manifest.target == "qnn"
    assert made["a16w8"].manifest.quality.psnr_db.mean > 30
    assert made["fp16"].manifest.quality.psnr_db.mean > 40


def test_a16w8_rounds_products_and_nothing_else(made):
    for role, model in graphs(made["a16w8"]):
        makers = {name: node for node in model.graph.node for name in node.output}
        stored = {tensor.name for tensor in model.graph.initializer}
        rounded = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
        assert bool(rounded) == (role != "text_encoder")
        for node in model.graph.node:
            if node.op_type not in WHOLE or role == "text_encoder":
                continue
            activation, weight = (makers[name] for name in node.input[:2])
            assert activation.op_type == weight.op_type == "DequantizeLinear", node.name
            # Of a product the weights are turned round when the graph is loaded.
            source = makers[weight.input[0]].input[0] if weight.input[0] not in stored else weight.input[0]
            assert source in stored
        if rounded:
            products = [node for node in model.graph.node if node.op_type == "MatMul"]
            assert not [node for node in products if {*node.input} & stored], role


def test_matrices_are_found_by_their_names(made):
    """Those that are transposed in the graph too: a LoRA is for these."""
    graphs = [Bundle.open(made[precision].path).graph("unet") for precision in ("a16w8", "fp16")]
    rounded, half = ({name: one.shape for name, one in stored_weights(graph).items()} for graph in graphs)
    assert any(name.endswith("attn1.to_q.weight") for name in half)
    assert {name: rounded.get(name) for name in half if name.endswith(".weight")} == {
        name: shape for name, shape in half.items() if name.endswith(".weight")
    }


def test_sizes_share_one_file_of_weights(made):
    folder = made["a16w8"].path / "unet"
    names = ["config.json", "model.onnx_data", "model_16x16.onnx", "model_24x16.onnx"]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names[2:]:
        inside = onnx.load(folder / name, load_external_data=False).graph.initializer
        assert not [one.name for one in inside if len(one.raw_data) >= 4096]  # a page: large weights are beside it


def test_the_time_step_comes_as_sines_and_cosines(made):
    (spec,) = [spec for spec in made["a16w8"].manifest.components["unet"].inputs if spec.name == "timestep"]
    assert spec.shape[0] == 1
    assert spec.shape[1] > 1


@pytest.mark.parametrize("size", SIZES, ids=["16x16", "24x16"])
def test_it_draws_on_the_processor_too(made, size):
    with edgediff.load(made["a16w8"].path, device="cpu") as pipeline:
        [picture] = pipeline("a cat", seed=1, steps=1, guidance=3.0, width=size[0], height=size[1]).images
    assert picture.size == size
    assert np.ptp(np.asarray(picture)) > 0


def test_verify_holds_and_another_size_is_refused(made):
    assert edgediff.verify(made["a16w8"].path).graphs == 4
    refused = pytest.raises(SettingError, match="`size` is '32x32': expected one of 16x16, 24x16")
    with edgediff.load(made["a16w8"].path) as pipeline, refused:
        pipeline("a cat", width=32, height=32)


def test_formats_and_precisions():
    def asked(**options):
        return wanted(**{"format": None, "precision": None, "target": "qnn", "sizes": None, **options})

    assert (asked().format, asked().precision) == ("onnx", "a16w8")
    for precision in ("int8", "fp32", "w8"):
        with pytest.raises(SettingError, match="expected one of a16w8, fp16, which `qnn` takes"):
            asked(precision=precision)
    with pytest.raises(SettingError, match="`format` is 'openvino': expected `onnx`"):
        asked(format="openvino")
    assert TARGETS["qnn"].time_outside
    with pytest.raises(SettingError, match="`precision` is 'a16w8': expected one of"):
        edgediff.export(Path("nowhere"), Path("nothing"), format="openvino", precision="a16w8")


def test_an_operator_that_it_was_not_seen_to_compute_is_said(made, tmp_path):
    shutil.copytree(made["fp16"].path, tmp_path / "copy")
    bundle = Bundle.open(tmp_path / "copy")
    path = bundle.path / bundle.manifest.components["vae_decoder"].fixed[0].file
    model = onnx.load(path, load_external_data=False)
    model.graph.node.append(onnx.helper.make_node("Erf", [model.graph.input[0].name], ["beside"], name="beside"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("beside", onnx.TensorProto.FLOAT, None))
    onnx.save(model, path)
    with pytest.warns(LeftOperatorsWarning, match="`vae_decoder` has Erf, which no processor of `qnn` was seen"):
        TARGETS["qnn"].finish(bundle.path, bundle.manifest, Modules(None, ()), lambda _: None)
