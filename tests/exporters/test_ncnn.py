"""Graphs for ncnn, with a stand-in for the converter that keeps the traced module, and an engine that runs it.

The converter and the library themselves are run by night, see ``benchmarks/nightly_ncnn.sh``.
"""

from __future__ import annotations

import json
import os
import shutil
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scripted_engine import CONVERTER, module_of  # noqa: E402 - after the skip
from transformers import CLIPTextModelWithProjection  # noqa: E402 - after the skip

import edgediff  # noqa: E402 - after the skip
from edgediff_exporters import TrialOptions, check_request, export  # noqa: E402 - after the skip
from edgediff_exporters.host_time import told_from_outside  # noqa: E402 - after the skip
from edgediff_exporters.ncnn.component import export_ncnn_component  # noqa: E402 - after the skip
from edgediff_exporters.ncnn.pnnx import find_pnnx  # noqa: E402 - after the skip
from edgediff_exporters.opening import open_model  # noqa: E402 - after the skip
from edgediff_runtimes.bundle import Bundle, Component  # noqa: E402 - after the skip
from edgediff_runtimes.engines import ENGINES  # noqa: E402 - after the skip
from edgediff_runtimes.errors import (  # noqa: E402 - after the skip
    EdgediffError,
    ExportError,
    NotInstalledError,
    SettingError,
)
from edgediff_runtimes.installing import install_line  # noqa: E402 - after the skip
from edgediff_runtimes.tensors import TensorSpec  # noqa: E402 - after the skip

TEXT = {"": {"batch": 1, "sequence": 9}}
UNET = {"": {"batch": 1, "sequence": 9, "height": 8, "width": 10}}
DIT = {"": {"batch": 1}}
TAKEN = {
    "text_encoder": ["last_hidden_state"],
    "text_encoder_2": ["text_embeds"],
    "transformer": ["out_hidden_states"],
    "unet": ["out_sample"],
}
ALWAYS_THE_SAME = CONVERTER + 'open(told["ncnnbin"], "w").write("weights")\n'
SIZES = ((16, 16), (24, 16))
ONE_PICTURE = TrialOptions(evaluation_pictures=1, trial_steps=1)
REQUEST = {"format": None, "precision": None, "defaults": None, "trials": TrialOptions(), "overwrite": False}


@pytest.fixture
def pnnx(tmp_path, monkeypatch):
    """Puts a program in the converter's place."""

    def pnnx(code=CONVERTER):
        path = tmp_path / "converter"
        path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PNNX", str(path))

    return pnnx


@pytest.fixture
def toolchain(pnnx, monkeypatch):
    """The stand-ins for the converter and for the library."""
    monkeypatch.setitem(ENGINES, "ncnn", ("scripted_engine", "ScriptedEngine", "ncnn"))
    pnnx()


@pytest.fixture
def made(tmp_path, toolchain, sd1):  # noqa: ARG001 - in place
    """Exports a component of a tiny model; its graph is checked by running the traced module."""

    def made(role, *, precision="fp32", asked=None, source=sd1):
        opened = open_model(source, config=None)
        plan = next(plan for plan in told_from_outside(opened).plans if plan.role == role)
        inputs = tuple(
            TensorSpec(item.name, str(item.dtype).removeprefix("torch."), item.shape) for item in plan.inputs
        )
        outputs = tuple(TensorSpec(name, "float32", ("batch", "rest")) for name in TAKEN[role])
        return export_ncnn_component(
            opened.source,
            plan,
            Component("onnx", "fp32", (), inputs, outputs, None, ()),
            tmp_path,
            precision=precision,
            asked=asked or {"unet": UNET, "transformer": DIT}.get(role, TEXT),
            on_progress=lambda _: None,
        )

    return made


def test_a_text_encoder_is_traced_with_its_causal_mask(made, tmp_path):
    found = made("text_encoder")
    assert (found.format, found.precision, found.tolerance) == ("ncnn", "fp32", 1e-4)
    assert found.inputs == (TensorSpec("input_ids", "int32", ("batch", "sequence")),)
    assert [graph.axes for graph in found.fixed] == [{"batch": 1, "sequence": 9}]
    assert [entry.path for entry in found.files] == ["text_encoder/model.ncnn.param", "text_encoder/model.ncnn.bin"]
    assert all(entry.bytes == (tmp_path / entry.path).stat().st_size for entry in found.files)
    assert len(found.checks) == 2
    text = str(module_of(tmp_path / "text_encoder" / "model.ncnn.param").graph)
    assert "scaled_dot_product_attention" in text
    assert "CallMethod" not in text  # the converter fails where a submodule is used twice
    assert sorted(path.name for path in tmp_path.iterdir()) == ["converter", "text_encoder"]
    assert len([*(tmp_path / "text_encoder").iterdir()]) == 3  # with the config, and no leftovers


def test_a_network_is_told_its_time_from_outside(made, tmp_path):
    found = made("unet")
    assert [spec.shape for spec in found.inputs][:2] == [("batch", 4, "height", "width"), (1, 8)]
    param = tmp_path / "unet" / "model.ncnn.param"
    text = param.read_text(encoding="utf-8")
    assert "Everything all 3 1 sample timestep encoder_hidden_states out_sample 0=1" in text
    assert "Input timestep 0 1 timestep" in text
    assert "aten::sin" not in str(module_of(param).graph)


@pytest.mark.parametrize("end", [2, 510], ids=["the highest number", "the first of that number"])
def test_the_end_of_a_text_is_found_in_words_that_ncnn_has(made, tmp_path, small, end):
    source = tmp_path / "source"
    shutil.copytree(small("stable_diffusion_xl", variant=""), source)
    path = source / "text_encoder_2" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "eos_token_id": end}))
    made("text_encoder_2", source=source)
    graph = str(module_of(tmp_path / "text_encoder_2" / "model.ncnn.param").graph)
    assert not [word for word in ("argmax", "aten::eq", "aten::index(") if word in graph]
    module = module_of(tmp_path / "text_encoder_2" / "model.ncnn.param")
    ids = torch.tensor(
        [[1, 510, 256, 255, 509, 510, 510, 511, 511], [1, 510, 511, 3, 510, 511, 4, 5, 6]], dtype=torch.int32
    )
    whole = CLIPTextModelWithProjection.from_pretrained(source / "text_encoder_2").eval()
    for row in ids:
        with torch.no_grad():
            torch.testing.assert_close(module(row[None])[0], whole(row[None]).text_embeds)


def test_squares_become_pictures_in_axes_that_ncnn_has(made, tmp_path, small):
    made("transformer", source=small("dit"))  # which is checked there
    graph = module_of(tmp_path / "transformer" / "model.ncnn.param").graph
    assert "einsum" not in str(graph)


@pytest.mark.parametrize(
    ("same", "weights"), [(True, ["model.ncnn.bin"]), (False, ["model.ncnn.bin", "model_24x16.ncnn.bin"])]
)
def test_weights_of_several_sizes_are_stored_once_where_they_are_the_same(made, pnnx, monkeypatch, same, weights):
    if same:
        pnnx(ALWAYS_THE_SAME)
        monkeypatch.setattr("edgediff_exporters.ncnn.component.measure", lambda *_, **__: ((), (), ()))
    lengths = {"batch": 1, "sequence": 9, "height": 8}
    found = made("unet", asked={"_16x16": {**lengths, "width": 8}, "_24x16": {**lengths, "width": 12}})
    params = ["model_16x16.ncnn.param", "model_24x16.ncnn.param"]
    assert [entry.path for entry in found.files] == [f"unet/{name}" for name in (*params, *weights)]
    assert [(graph.file, graph.axes["width"]) for graph in found.fixed] == [
        ("unet/model_16x16.ncnn.param", 8),
        ("unet/model_24x16.ncnn.param", 12),
    ]


@pytest.mark.parametrize(("precision", "flag"), [("fp32", "0"), ("w16", "1"), ("fp16", "1")])
def test_weights_are_stored_as_the_precision_says(made, pnnx, tmp_path, precision, flag):
    pnnx(CONVERTER.replace('"told"', repr(str(tmp_path / "told"))))
    made("text_encoder", precision=precision)
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert f"'fp16': '{flag}'" in told
    assert "'inputshape': '[1,9]i32'" in told


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import sys; print('no such layer'); sys.exit(3)", r"`pnnx` ended with 3 \(no such layer\)"),
        ("print('done')", r"`pnnx` ended with 0 \(done\)"),
        (CONVERTER.replace("Everything", "F.fold"), r"it has no F\.fold"),
        (CONVERTER.replace("Everything", "aten::roll"), "it has no aten::roll"),
        (CONVERTER.replace(" out0 ", " 7 "), "its graph does without last_hidden_state"),
        (CONVERTER.replace("7767517", "hello"), "what `pnnx` wrote is no graph"),
    ],
    ids=["fails", "writes nothing", "an operator of PyTorch", "an operator of ATen", "an output is gone", "no graph"],
)
def test_what_cannot_be_converted_is_said(made, pnnx, tmp_path, code, sentence):
    pnnx(code)
    with pytest.raises(ExportError, match=f"`text_encoder` cannot be converted for ncnn: {sentence}"):
        made("text_encoder")
    assert not list(tmp_path.rglob("*.pt"))


def test_where_the_converter_is_not_there_is_said_how_to_get_it(monkeypatch):
    monkeypatch.delenv("PNNX", raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(EdgediffError, match="`pnnx` is not there") as caught:
        find_pnnx()
    assert "pip install pnnx" in caught.value.hint
    monkeypatch.setenv("PNNX", "/nowhere/pnnx")
    with pytest.raises(EdgediffError, match="`/nowhere/pnnx`, which PNNX names, is not there"):
        find_pnnx()


@pytest.mark.usefixtures("toolchain")
def test_without_the_converter_or_the_library_an_export_is_refused(monkeypatch, tmp_path, sd1):
    monkeypatch.setenv("PNNX", "/nowhere/pnnx")
    with pytest.raises(EdgediffError, match="`/nowhere/pnnx`, which PNNX names, is not there"):
        check_request(sd1, tmp_path / "made", **REQUEST, target="ncnn")
    monkeypatch.setitem(ENGINES, "ncnn", ("no_such_library", "NcnnEngine", "ncnn"))
    with pytest.raises(NotInstalledError, match="the engine `ncnn` is not installed") as caught:
        check_request(sd1, tmp_path / "made", **REQUEST, target="ncnn")
    assert caught.value.hint == install_line("ncnn")


@pytest.mark.usefixtures("toolchain")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"precision": "w8"}, "`precision` is 'w8': expected one of fp32, w16, fp16, which `ncnn` takes"),
        ({"format": "onnx"}, "`format` is 'onnx': expected `ncnn`, which is what `ncnn` takes"),
        ({"format": "ncnn", "target": None}, "`format` is 'ncnn': expected one of onnx, openvino"),
    ],
    ids=["precision", "format", "without a target"],
)
def test_what_ncnn_has_not_is_refused(tmp_path, sd1, options, problem):
    with pytest.raises(SettingError, match=problem) as caught:
        check_request(sd1, tmp_path / "made", **{**REQUEST, "target": "ncnn", **options})
    assert caught.value.hint == ('`target="ncnn"` has it' if "target" in options else None)


def drawn(path, **options):
    with edgediff.load(path, device="cpu") as pipeline:
        return [np.asarray(image).astype(int) for image in pipeline("a cat", seed=3, steps=2, **options).images]


@pytest.mark.usefixtures("toolchain")
def test_an_export_for_ncnn_draws_the_same_pictures_in_its_sizes(tmp_path, sd1, report):
    made = export(sd1, tmp_path / "made", target="ncnn", sizes=SIZES, precision={"unet": "w16"}, trials=ONE_PICTURE)
    manifest, path = made.manifest, made.path
    assert (manifest.target, manifest.sizes) == ("ncnn", SIZES)
    assert {component.format for component in manifest.components.values()} == {"ncnn"}
    assert {role: component.precision for role, component in manifest.components.items()} == {
        "text_encoder": "fp32",
        "unet": "w16",
        "vae_decoder": "fp32",
        "vae_encoder": "fp32",
    }
    assert {role: len(component.fixed) for role, component in manifest.components.items()} == {
        "text_encoder": 1,
        "unet": 2,
        "vae_decoder": 2,
        "vae_encoder": 2,
    }
    assert "--target ncnn --size 16x16 --size 24x16" in manifest.provenance.command
    assert (manifest.quality.engine, manifest.quality.psnr_db.mean > 50) == ("ncnn", True)
    assert manifest.recipe.first.space.preview is not None
    assert edgediff.verify(path).graphs == 4
    on_disk = {file.relative_to(path).as_posix() for role in manifest.components for file in (path / role).iterdir()}
    configs = {f"{role}/config.json" for role in manifest.components}
    assert on_disk - configs == {entry.path for entry in Bundle.open(path).files()} & on_disk
    for width, height in SIZES:
        options = {"width": width, "height": height, "guidance": 5.0, "images": 2}
        pairs = zip(drawn(report.path, **options), drawn(path, **options), strict=True)
        assert max(np.abs(one - other).max() for one, other in pairs) <= 1
    with pytest.raises(SettingError, match="`size` is '32x32': expected one of 16x16, 24x16, for which this bundle"):
        drawn(path, width=32, height=32)


@pytest.mark.usefixtures("toolchain")
def test_an_export_for_ncnn_that_fails_leaves_nothing(pnnx, tmp_path, sd1):
    pnnx("import sys; sys.exit(3)")
    with pytest.raises(ExportError, match=r"cannot be converted for ncnn: `pnnx` ended with 3"):
        export(sd1, tmp_path / "made", target="ncnn", trials=ONE_PICTURE)
    assert [path.name for path in tmp_path.iterdir()] == ["converter"]
