"""Core ML packages: written by coremltools, read again and computed here; what cannot be had is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional

pytest.importorskip("coremltools", reason="the extra `coreml` is not installed")

import edgediff
from edgediff.cli.inspect import command
from edgediff_exporters import TrialOptions
from edgediff_exporters.coreml import evaluating
from edgediff_exporters.coreml.checking import check_package
from edgediff_exporters.coreml.evaluating import PackageProgram
from edgediff_exporters.coreml.package import write_package
from edgediff_exporters.coreml.program import capture
from edgediff_exporters.families.base import ComponentPlan, GraphInput
from edgediff_exporters.targets import TARGETS
from edgediff_exporters.targets.request import wanted
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines.coreml_names import feature_of, package_of
from edgediff_runtimes.errors import (
    ComponentFileError,
    ExportError,
    NotInstalledError,
    SettingError,
    ToleranceError,
)
from edgediff_runtimes.installing import install_line

X = GraphInput("x", torch.float32, (1, 8, 6, 6))
PRECISIONS = {"text_encoder": "fp16", "unet": "fp16", "vae_decoder": "w8", "vae_encoder": "fp32"}


@pytest.fixture(scope="module")
def bundle(exported):
    trials = TrialOptions(evaluation_pictures=0)
    made = exported("sd1", target="coreml", sizes=[(16, 16)], precision=PRECISIONS, trials=trials)
    return Bundle.open(made.path)


def test_every_graph_has_a_package_beside_it_that_computes_the_same(bundle):
    manifest = bundle.manifest
    assert (manifest.target, manifest.sizes) == ("coreml", ((16, 16),))
    assert "coremltools" in manifest.provenance.tools
    assert {role: component.precision for role, component in manifest.components.items()} == PRECISIONS
    for role, component in manifest.components.items():
        (graph,) = component.fixed
        assert component.format == "onnx"
        assert 0 < graph.package.error < {"fp32": 1e-4, "fp16": 3e-2, "w8": 1e-1}[component.precision]
        names = sorted(entry.path.removeprefix(f"{role}/model.mlpackage/") for entry in graph.package.files)
        assert names == [
            "Data/com.apple.CoreML/model.mlmodel",
            "Data/com.apple.CoreML/weights/weight.bin",
            "Manifest.json",
        ]


def test_the_network_is_told_its_time_from_outside_and_all_names_fit(bundle):
    unet = PackageProgram("unet", package_of(bundle.path / "unet" / "model.onnx"))
    shapes = {each.name: tuple(each.type.multiArrayType.shape) for each in unet.spec.description.input}
    assert shapes == {"sample": (1, 4, 8, 8), "timestep": (1, 8), "encoder_hidden_states": (1, 20, 16)}
    assert {"sin", "cos"}.isdisjoint(unet.operators)
    text = PackageProgram("text_encoder", package_of(bundle.path / "text_encoder" / "model.onnx"))
    expected = [feature_of(spec.name) for spec in bundle.manifest.components["text_encoder"].outputs]
    assert [each.name for each in text.spec.description.output] == expected


def test_its_graphs_draw_on_any_machine_and_its_files_are_looked_at(bundle, tmp_path):
    with edgediff.load(bundle.path) as pipeline:
        assert pipeline("a cat", steps=1).images[0].size == (16, 16)
    bundle.check_hashes()
    entry = bundle.manifest.components["unet"].fixed[0].package.files[0]
    assert entry in list(bundle.files())
    altered = replace(bundle, path=tmp_path)
    (tmp_path / entry.path).parent.mkdir(parents=True)
    (tmp_path / entry.path).write_bytes(b"x" * entry.bytes)
    with pytest.raises(ComponentFileError, match="was altered"):
        altered.check_hash(entry)


def plan_of(build, *inputs, outputs=("y",)):
    inputs = inputs or (X,)
    return ComponentPlan(
        "part", "part", lambda _: build(), lambda module, *given: tuple(module(*given)), inputs, outputs, {}, {}
    )


def made(module, tmp_path, *inputs, precision="fp32", outputs=("y",)):
    plan = plan_of(lambda: module, *inputs, outputs=outputs)
    captured = capture(plan, module.eval())
    path = tmp_path / "model.mlpackage"
    write_package(plan, captured, path, precision=precision)
    return plan, captured, path


class Many(torch.nn.Module):
    """Operators that a small Stable Diffusion has not, or has in one way alone."""

    def __init__(self):
        super().__init__()
        self.grouped = torch.nn.Conv2d(8, 8, 3, padding=1, groups=4, stride=2)
        self.norm = torch.nn.LayerNorm(16)

    def forward(self, x, ids):
        y = self.norm(self.grouped(functional.pad(x, (1, 0, 0, 1))).flatten(2))
        first, second = y.chunk(2, dim=1)
        mask = torch.arange(16) < ids.amax()
        z = torch.where(mask, functional.gelu(first, approximate="tanh"), second.softmax(-1))
        shuffled = functional.pixel_shuffle(x, 2)[:, :, 1:-1:2, 2:]
        hidden = z.masked_fill(~mask, -1.0) * torch.rsqrt(z.pow(2).mean(-1, keepdim=True) + 1e-5)
        return hidden, shuffled.abs().sum(dim=(2, 3)), y[torch.arange(1), ids.argmax(-1).to(torch.int64)]


def test_a_package_of_many_operators_is_computed_as_its_module_is(tmp_path):
    ids = GraphInput("ids", torch.int32, (1, 4), below=8)
    torch.manual_seed(0)
    plan, captured, path = made(Many(), tmp_path, X, ids, outputs=("y.1", "z", "pooled"))
    assert check_package(plan, captured, path, precision="fp32") < 1e-5
    wrong = replace(plan, outputs=("y", "z", "pooled"))
    with pytest.raises(ExportError, match=r"package of `part` gives y_1: .* expected y: float32\[1, 4, 16\]"):
        check_package(wrong, captured, path, precision="fp32")


class Products(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = torch.nn.Conv2d(8, 64, 3, padding=1)
        self.narrow = torch.nn.Linear(64, 40)

    def forward(self, x):
        return (self.narrow(self.wide(x).mean(dim=(2, 3))),)


def test_weights_of_products_are_stored_in_8_bits(tmp_path):
    torch.manual_seed(0)
    plan, captured, path = made(Products(), tmp_path, precision="w8")
    assert PackageProgram("part", path).operators["constexpr_affine_dequantize"] == 2
    assert 1e-3 < check_package(plan, captured, path, precision="w8") < 2e-2
    assert [each.name for each in tmp_path.iterdir()] == ["model.mlpackage"]


class Squared(torch.nn.Module):
    def forward(self, x):
        return ((300.0 * x).square().mean(-1, keepdim=True).sqrt(),)


def test_what_overflows_in_float16_is_not_written(tmp_path):
    plan, captured, path = made(Squared(), tmp_path, precision="fp16")
    with pytest.raises(ToleranceError, match="the graph of `part as a Core ML package` differs from its module by inf"):
        check_package(plan, captured, path, precision="fp16")


class Turned(torch.nn.Module):
    def forward(self, x):
        return (torch.linalg.qr(x)[0],)


def test_what_coremltools_does_not_convert_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"`part` cannot be converted for Core ML: coremltools says: .*linalg_qr"):
        made(Turned(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_known_here_is_not_believed(tmp_path, monkeypatch):
    _, _, path = made(Squared(), tmp_path)
    known = {name: operator for name, operator in evaluating.OPERATORS.items() if name != "sqrt"}
    monkeypatch.setattr(evaluating, "OPERATORS", known)
    with pytest.raises(ExportError, match="`part` cannot be checked for Core ML: its package has sqrt, which is not"):
        PackageProgram("part", path)
    (path / "Data" / "com.apple.CoreML" / "model.mlmodel").write_bytes(b"hello")
    with pytest.raises(ExportError, match="`part` cannot be read again from its Core ML package"):
        PackageProgram("part", path)


class Broken(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([1.0] * 5 + [float("nan")]), requires_grad=False)

    def forward(self, x):
        return (x * self.scale,)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    plan, captured, path = made(Broken(), tmp_path)
    with pytest.raises(ExportError, match="the Core ML package of `part` has weights that are no numbers"):
        check_package(plan, captured, path, precision="fp32")


def asked(**options):
    return wanted(**{"format": None, "precision": None, "target": "coreml", "sizes": None, **options})


def test_float16_is_what_is_taken_and_other_precisions_are_refused():
    assert (asked().format, asked().precision) == ("onnx", "fp16")
    with pytest.raises(SettingError, match="`precision` is 'int8': expected one of fp16, w8, fp32, which `coreml`"):
        asked(precision="int8")
    with pytest.raises(SettingError, match="`format` is 'openvino': expected `onnx`, which is what `coreml` takes"):
        asked(format="openvino")


def test_layers_that_must_stay_in_float32_are_refused_in_float16():
    plan = replace(plan_of(Squared), single=("wo",))
    TARGETS["coreml"].admit([plan], {"part": "fp32"})
    TARGETS["coreml"].admit([plan_of(Squared)], {"part": "fp16"})
    with pytest.raises(SettingError, match="`precision` is 'part=w8': expected `fp32`, because sums in it go beyond"):
        TARGETS["coreml"].admit([plan], {"part": "w8"})


def test_without_the_package_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "coremltools", None)
    with pytest.raises(NotInstalledError, match="what writes packages for `coreml` is not installed") as caught:
        asked()
    assert caught.value.hint == install_line("coreml")


def test_a_size_that_was_not_exported_is_refused_with_the_list(bundle):
    with edgediff.load(bundle.path) as pipeline, pytest.raises(SettingError, match="expected one of 16x16"):
        pipeline("a cat", width=24, height=16)


def test_inspect_tells_the_target_and_the_bytes_of_packages(bundle):
    printed = CliRunner().invoke(command, [str(bundle.path)]).output
    assert re.search(r"target: +coreml, 16x16; packages beside the graphs: [\d.,]+ [kM]B", printed)


def test_packages_stand_in_the_manifest_and_elsewhere_are_left_out(bundle, exported):
    told = json.loads(bundle.manifest.to_json())["components"]["unet"]["fixed"]
    assert [sorted(graph) for graph in told] == [["axes", "file", "package"]]
    assert np.isfinite(told[0]["package"]["error"])
    assert "package" not in exported("sd1").manifest.to_json()
