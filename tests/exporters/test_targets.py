"""Graphs of fixed shapes: the open graphs written anew for some sizes, and a bundle of them that draws the same."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import edgediff
from edgediff_exporters import TrialOptions, check_request
from edgediff_exporters.candidate import quantised
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.targets import TARGETS
from edgediff_exporters.targets.base import Modules
from edgediff_exporters.targets.fixing import with_fixed_shapes
from edgediff_exporters.targets.request import Wanted, wanted
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import BundleError, EngineError, NotInstalledError, SettingError, SourceError, TargetError
from edgediff_runtimes.fixed_graphs import each_file
from edgediff_runtimes.recipe.declarations import TimeSinusoid

pytest.importorskip("openvino")

import openvino as ov

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"
SIZES = ((64, 64), (96, 64))
NPU = TARGETS["openvino-npu"]


def copied(folder):
    shutil.copytree(GOLDEN, folder)
    for role in Bundle.open(folder).manifest.components:
        (folder / role / "config.json").touch()
    return Bundle.open(folder)


def converted(folder, precision):
    """The golden bundle in OpenVINO's format."""
    original = copied(folder / "onnx")
    made = folder / "open"
    shutil.copytree(GOLDEN / "tokenizer", made / "tokenizer")
    components = {
        role: quantised(quantiser_for("openvino"), original, role, made, precision=precision, feeds=None)
        for role in original.manifest.components
    }
    return saved(made, replace(original.manifest, components=components))


def saved(folder, manifest):
    (folder / "edgediff.json").write_text(manifest.to_json(), encoding="utf-8")
    return Bundle.open(folder)


def fixed(bundle, folder):
    """A copy of a bundle with graphs of fixed shapes."""
    shutil.copytree(bundle.path, folder)
    target = replace(NPU, format=bundle.manifest.components["unet"].format)
    graphs = Wanted(target.format, "fp32", target, SIZES)
    return saved(folder, with_fixed_shapes(graphs, Modules(None, ()), folder, bundle.manifest, lambda _event: None))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A bundle that draws any size and the same one with graphs of fixed shapes, by format and precision."""
    root = tmp_path_factory.mktemp("fixed")
    opened = {
        "onnx": copied(root / "onnx"),
        "ir": converted(root / "ir", "fp32"),
        "ir-w8": converted(root / "ir-w8", "w8"),
    }
    return {name: (bundle, fixed(bundle, root / f"{name}-fixed")) for name, bundle in opened.items()}


def drawn(bundle, **options):
    with edgediff.load(bundle.path, strict=True, device="cpu") as pipeline:
        return [np.asarray(image).astype(int) for image in pipeline("a cat", seed=3, steps=2, **options).images]


def shapes_of(graph):
    """The shapes of all that a graph takes, gives and, in OpenVINO, computes between."""
    if graph.suffix == ".onnx":
        model = onnx.load(graph)
        assert not [node for node in model.graph.node if node.op_type == "Shape"]
        onnx.checker.check_model(str(graph), full_check=True)
        for value in (*model.graph.input, *model.graph.output):
            yield [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        return
    weights = graph.with_name("openvino_model.bin")
    for node in ov.Core().read_model(graph, weights).get_ordered_ops():
        for output in node.outputs():
            yield list(output.get_shape())  # which an open one has not


@pytest.mark.parametrize("name", ["onnx", "ir", "ir-w8"])
def test_every_graph_has_lengths_alone(pairs, name):
    _, bundle = pairs[name]
    for component in bundle.manifest.components.values():
        for graph in component.fixed:
            assert all(axis > 0 for shape in shapes_of(bundle.path / graph.file) for axis in shape), graph.file
    unet = each_file(bundle.graph("unet"))
    assert [graph.inputs[0].shape[2:] for graph in unet] == [(8, 8), (8, 12)]


@pytest.mark.parametrize("name", ["onnx", "ir", "ir-w8"])
@pytest.mark.parametrize("size", SIZES, ids=["64x64", "96x64"])
def test_pictures_are_those_of_the_open_bundle(pairs, name, size):
    options = {"width": size[0], "height": size[1], "guidance": 5.0, "images": 2}
    open_, fixed_ = (drawn(bundle, **options) for bundle in pairs[name])
    assert len(open_) == 2
    assert max(np.abs(one - other).max() for one, other in zip(open_, fixed_, strict=True)) <= 1


@pytest.mark.parametrize("name", ["onnx", "ir"])
def test_a_picture_of_the_callers_is_encoded_likewise(pairs, name):
    with edgediff.load(GOLDEN) as pipeline:
        [picture] = pipeline("a cat", seed=1, steps=1, width=96, height=64).images
    open_, fixed_ = (drawn(bundle, image=picture, strength=0.9) for bundle in pairs[name])
    assert fixed_[0].shape == (64, 96, 3)
    assert np.abs(open_[0] - fixed_[0]).max() <= 1


@pytest.mark.parametrize("name", ["onnx", "ir"])
def test_sizes_share_one_file_of_weights(pairs, name):
    _, bundle = pairs[name]
    weights = {"onnx": "model.onnx_data", "ir": "openvino_model.bin"}[name]
    suffix = Path(weights).suffix
    for role, component in bundle.manifest.components.items():
        on_disk = sorted(path.name for path in (bundle.path / role).iterdir() if path.name != "config.json")
        assert on_disk == sorted(Path(entry.path).name for entry in component.files)
        assert [name for name in on_disk if name.endswith(suffix)] == [
            "model.onnx_data" if name == "onnx" else "openvino_model.bin"
        ]
    assert [len(bundle.manifest.components[role].fixed) for role in ("text_encoder", "unet")] == [1, 2]


@pytest.mark.parametrize("name", ["onnx", "ir"])
def test_another_size_is_refused_with_the_list(pairs, name):
    _, bundle = pairs[name]
    with edgediff.load(bundle.path) as pipeline:
        with pytest.raises(SettingError, match="`size` is '128x128': expected one of 64x64, 96x64, for which this"):
            pipeline("a cat", width=128, height=128)
        with pytest.raises(SettingError, match="`size` is '128x128'") as caught:
            pipeline("a cat", enlarge=2)
        assert caught.value.hint is None
        with pytest.raises(SettingError, match="`size` is '128x128'") as caught:
            pipeline("a cat", image=Image.new("RGB", (128, 128)))
        assert "`width` and `height`" in caught.value.hint
        with pytest.warns(UserWarning, match="cut off") as warned:
            pipeline("a cat " * 12, steps=1)
        assert not [one for one in warned if "a1111" in str(one.message)]
        with pytest.raises(EngineError, match="sequence 36, width 8: expected height 8, sequence 12, width 8; or"):
            pipeline("a cat " * 12, syntax="a1111")


def test_verify_loads_every_file_and_bundles_do_not_grow(pairs, monkeypatch):
    _, bundle = pairs["ir"]
    assert edgediff.verify(bundle.path).graphs == 4
    with pytest.raises(
        TargetError, match="has graphs of fixed shapes: expected a bundle that draws any size"
    ) as caught:
        edgediff.add(GOLDEN, bundle.path)
    assert caught.value.hint == "export the model again without `target`"
    with pytest.raises(SourceError, match="has graphs of fixed shapes"):
        edgediff.verify(bundle.path, against=GOLDEN)
    monkeypatch.setattr("edgediff.browser.folder.Page.built", lambda: None)
    with pytest.raises(BundleError, match="fixed shapes"):
        edgediff.web(bundle.path, bundle.path.parent / "page")


def asked(**options):
    given = {"format": None, "precision": None, "target": "openvino-npu", "sizes": None, **options}
    return wanted(**given)


def test_a_target_says_format_and_precision():
    graphs = asked(sizes=[(512, 512), (768, 512), (512, 512)], precision={"unet": "int8"})
    assert (graphs.format, graphs.precision) == ("openvino", {"*": "fp16", "unet": "int8"})
    assert graphs.sizes == ((512, 512), (768, 512))
    assert graphs.words() == ["--target", "openvino-npu", "--size", "512x512", "--size", "768x512"]
    plain = wanted(format=None, precision=None, target=None, sizes=None)
    assert (plain.format, plain.precision, plain.words()) == ("onnx", "fp32", [])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"target": "toaster"}, "`target` is 'toaster': expected one of openvino-npu"),
        ({"target": None, "sizes": [(512, 512)]}, "`sizes` is .*: expected nothing without a target"),
        ({"format": "onnx"}, "`format` is 'onnx': expected `openvino`"),
        ({"precision": "w4"}, "`precision` is 'w4': expected one of fp16"),
        ({"sizes": [(512, 0)]}, "`sizes` is '512x0': expected pairs of width and height, each from 1 to 16,384"),
        ({"sizes": [512]}, "`sizes` is 512: expected pairs of width and height"),
        ({"sizes": [(8 * i, 512) for i in range(1, 10)]}, "`sizes` is '9 of them': expected at most 8"),
        ({"defaults": {"width": 512}}, "`defaults` is 'width': expected nothing for `width` beside a target"),
        (
            {"sizes": [(512, 512)], "trials": TrialOptions(trial_size=(64, 64))},
            "`trial_size` is '64x64': expected one of the sizes 512x512",
        ),
    ],
    ids=["name", "alone", "format", "precision", "size", "pair", "many", "defaults", "trials"],
)
def test_what_a_target_cannot_have_is_refused(options, problem):
    with pytest.raises(SettingError, match=problem):
        asked(**options)


def test_without_its_toolchain_one_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    request = {"format": None, "precision": None, "defaults": None, "trials": TrialOptions(), "overwrite": False}
    with pytest.raises(NotInstalledError, match="what writes graphs for `openvino-npu` is not installed"):
        check_request(GOLDEN, tmp_path / "made", **request, target="openvino-npu")


def test_an_export_for_a_target(exported):
    trials = TrialOptions(evaluation_pictures=1, trial_steps=2)
    made = exported("sd1", target="openvino-npu", sizes=[(16, 16), (24, 16)], precision="fp32", trials=trials)
    manifest = made.manifest
    assert (manifest.target, manifest.sizes) == ("openvino-npu", ((16, 16), (24, 16)))
    assert (manifest.defaults.width, manifest.defaults.height) == (16, 16)
    assert "--target openvino-npu --size 16x16 --size 24x16" in manifest.provenance.command
    assert manifest.quality.psnr_db.mean > 50
    bundle = Bundle.open(made.path)
    for role, component in manifest.components.items():
        for graph in component.fixed:
            assert all(axis > 0 for shape in shapes_of(bundle.path / graph.file) for axis in shape), role
    with pytest.raises(SettingError, match="`sizes` is '17x16': expected sizes that the model draws"):
        exported("sd1", target="openvino-npu", sizes=[(17, 16)])


def test_a_network_for_a_target_is_told_its_time_from_outside(exported):
    trials = TrialOptions(evaluation_pictures=1, trial_steps=2)
    options = {"target": "openvino-npu", "sizes": [(16, 16), (24, 16)], "precision": "fp32", "trials": trials}
    bundle = Bundle.open(exported("sd1", **options).path)
    use = bundle.manifest.recipe.network
    assert (use.time, use.sinusoid) == ("timestep", TimeSinusoid("t", "t_features", 8, cosine_first=True))
    specs = {spec.name: spec for spec in bundle.manifest.components["unet"].inputs}
    assert (specs["timestep"].dtype, specs["timestep"].shape) == ("float32", (1, 8))
    for graph in each_file(bundle.graph("unet")):
        model = ov.Core().read_model(graph.path, graph.path.with_name("openvino_model.bin"))
        assert {"Sin", "Cos"}.isdisjoint(node.get_type_name() for node in model.get_ops())
    levels = bundle.manifest.quality.components["unet"].levels
    assert [level.timestep for level in levels] == [500, 0]
    plain = Bundle.open(exported("sd1").path)
    one, other = (drawn(one, width=24, height=16, guidance=5.0) for one in (plain, bundle))
    assert np.abs(one[0] - other[0]).max() <= 1


@pytest.mark.filterwarnings("ignore:the tokenizer in:edgediff_exporters.openvino_tokenizer.TokenizerGraphWarning")
@pytest.mark.parametrize(("case", "told"), [("stable_diffusion_xl", "time_ids"), ("flux", "guidance")])
def test_a_network_for_a_target_is_told_other_numbers_likewise(small, tmp_path, case, told):
    source = small(case, **({"variant": "-dev"} if case == "flux" else {}))
    plain = edgediff.export(source, tmp_path / "plain")
    width, height = plain.manifest.defaults.width, plain.manifest.defaults.height
    made = edgediff.export(
        source,
        tmp_path / "made",
        target="openvino-npu",
        sizes=[(width, height)],
        precision="fp32",
        evaluation_pictures=0,
    )
    use = made.manifest.recipe.network
    assert use.feeds[told].endswith("_features")
    one, other = (drawn(one) for one in (plain, made))
    assert np.abs(one[0] - other[0]).max() <= 1
