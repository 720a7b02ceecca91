"""Components for ncnn, with a stand-in for the converter that keeps the traced module, and an engine that runs it.

The converter and the library themselves are run by night, see ``benchmarks/nightly_ncnn.sh``.
"""

from __future__ import annotations

import os
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgediff_exporters.host_time import fed_outside, has_time_inside, with_time_outside  # noqa: E402 - after the skip
from edgediff_exporters.ncnn import component, export_ncnn_component, find_pnnx  # noqa: E402 - after the skip
from edgediff_exporters.opening import open_model  # noqa: E402 - after the skip
from edgediff_runtimes.engines import FakeEngine  # noqa: E402 - after the skip
from edgediff_runtimes.errors import EdgediffError, ExportError, NotInstalledError  # noqa: E402 - after the skip
from edgediff_runtimes.installing import install_line  # noqa: E402 - after the skip
from edgediff_runtimes.parts import times  # noqa: E402 - after the skip
from edgediff_runtimes.parts.values import Value  # noqa: E402 - after the skip
from edgediff_runtimes.recipe.declarations import TimeSinusoid  # noqa: E402 - after the skip
from edgediff_runtimes.tensors import TensorSpec  # noqa: E402 - after the skip

LENGTHS = {
    "text_encoder": {"batch": 1, "sequence": 9},
    "unet": {"batch": 1, "sequence": 9, "height": 8, "width": 10},
}
TAKEN = {"text_encoder": ["last_hidden_state"], "unet": ["out_sample"]}
# Writes a graph that has the inputs and outputs of its command line and one operator; the module is its weights.
STAND_IN = """
import shutil, sys
told = dict(word.split("=", 1) for word in sys.argv[2:])
count = told["inputshape"].count("[")
lines = ["7767517", "2 2"]
lines += [f"Input in{n} 0 1 in{n}" for n in range(count)]
lines += [f"Everything all {count} 1 " + " ".join(f"in{n}" for n in range(count)) + " out0 0=1"]
open(told["ncnnparam"], "w").write("\\n".join(lines))
shutil.copy(sys.argv[1], told["ncnnbin"])
open("told", "w").write(repr(told))
"""


def _loaded(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is what the converter reads
        return torch.jit.load(path)


@pytest.fixture
def pnnx(tmp_path, monkeypatch):
    """Puts a program in the converter's place."""

    def pnnx(code=STAND_IN):
        path = tmp_path / "converter"
        path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PNNX", str(path))

    return pnnx


@pytest.fixture
def made(tmp_path, monkeypatch, pnnx, sd1):
    """Exports a component of a tiny model; its graph is checked by running the traced module."""
    pnnx()
    opened = open_model(sd1, config=None)
    plans = {plan.role: plan for plan in opened.plans}

    def made(role, *, precision="fp32", lengths=None):
        def run(_role, feeds):
            module = _loaded(tmp_path / role / "model.ncnn.bin")
            names = ["input_ids"] if role == "text_encoder" else ["sample", "timestep", "encoder_hidden_states"]
            (output,) = module(*(torch.from_numpy(feeds[name]) for name in names))
            return {TAKEN[role][0]: output.numpy()}

        monkeypatch.setattr(component, "get_engine", lambda _name: FakeEngine(run))
        return export_ncnn_component(
            opened.source,
            plans[role],
            tmp_path,
            precision,
            lengths=lengths or LENGTHS[role],
            outputs=TAKEN[role],
            on_progress=lambda _: None,
        )

    made.opened, made.plans = opened, plans
    return made


def test_a_text_encoder_is_traced_with_its_causal_mask(made, tmp_path):
    found = made("text_encoder")
    assert (found.format, found.precision, found.tolerance) == ("ncnn", "fp32", 1e-4)
    assert found.inputs == (TensorSpec("input_ids", "int32", (1, 9)),)
    assert [(spec.name, spec.shape[:2]) for spec in found.outputs] == [("last_hidden_state", (1, 9))]
    assert [entry.path for entry in found.files] == ["text_encoder/model.ncnn.param", "text_encoder/model.ncnn.bin"]
    assert all(entry.bytes == (tmp_path / entry.path).stat().st_size for entry in found.files)
    assert len(found.checks) == 2
    text = str(_loaded(tmp_path / "text_encoder" / "model.ncnn.bin").graph)
    assert "scaled_dot_product_attention" in text
    assert "CallMethod" not in text  # the converter fails where a submodule is used twice
    assert sorted(path.name for path in tmp_path.iterdir()) == ["converter", "text_encoder"]  # and no leftovers


def test_a_network_is_told_its_time_from_outside(made, tmp_path):
    found = made("unet")
    assert [spec.shape for spec in found.inputs][:2] == [(1, 4, 8, 10), (1, 8)]
    assert found.outputs[0].shape == (1, 4, 8, 10)
    param = (tmp_path / "unet" / "model.ncnn.param").read_text(encoding="utf-8")
    assert "Everything all 3 1 sample timestep encoder_hidden_states out_sample 0=1" in param
    assert "Input timestep 0 1 timestep" in param
    text = str(_loaded(tmp_path / "unet" / "model.ncnn.bin").graph)
    assert "aten::sin" not in text


def test_sines_outside_are_those_inside(made):
    from edgediff_exporters.ncnn.component import fixed_plan  # noqa: PLC0415 - after the skip
    from edgediff_exporters.reference import run_reference  # noqa: PLC0415 - after the skip

    plan, source = made.plans["unet"], made.opened.source
    config, weights = source.config("unet"), source.weights("unet").renamed(plan.rename)
    assert has_time_inside(plan, config)
    inside = fixed_plan(plan, LENGTHS["unet"], TAKEN["unet"])
    (sinusoid, graph) = fed_outside(made.opened.recipe, {"unet": config}).first.network
    assert isinstance(sinusoid, TimeSinusoid)
    assert (graph.feeds["timestep"], sinusoid.name, sinusoid.to) == ("t_features", "t", "t_features")
    generator = torch.Generator().manual_seed(1)
    sample, time, text = (item.draw({}, generator) for item in inside.inputs)
    context = SimpleNamespace(values={"t": Value(time.numpy().astype(np.float64))})
    features = torch.from_numpy(times.time_sinusoid(sinusoid, context)["t_features"].array)
    (expected,) = run_reference(inside, config, weights, [[sample, time, text]])
    (got,) = run_reference(with_time_outside(inside, config), config, weights, [[sample, features, text]])
    torch.testing.assert_close(got[0], expected[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("precision", "flag"), [("fp32", "0"), ("w16", "1"), ("fp16", "1")])
def test_weights_are_stored_as_the_precision_says(made, pnnx, tmp_path, precision, flag):
    pnnx(STAND_IN.replace('"told"', repr(str(tmp_path / "told"))))
    made("text_encoder", precision=precision)
    told = (tmp_path / "told").read_text(encoding="utf-8")
    assert f"'fp16': '{flag}'" in told
    assert "'inputshape': '[1,9]i32'" in told


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import sys; print('no such layer'); sys.exit(3)", r"`pnnx` ended with 3 \(no such layer\)"),
        ("print('done')", r"`pnnx` ended with 0 \(done\)"),
        (STAND_IN.replace("Everything", "F.fold"), r"it has no F\.fold"),
        (STAND_IN.replace("Everything", "aten::roll"), "it has no aten::roll"),
        (STAND_IN.replace(" out0 ", " 7 "), "its graph does without last_hidden_state"),
        (STAND_IN.replace("7767517", "hello"), "what `pnnx` wrote is no graph"),
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


def test_without_the_library_nothing_is_converted(monkeypatch, made, tmp_path):
    def missing(name):
        raise NotInstalledError(f"the engine `{name}`", extra="ncnn", reason=ImportError("no ncnn"))

    monkeypatch.setattr(component, "get_engine", missing)
    with pytest.raises(NotInstalledError, match="the engine `ncnn` is not installed") as caught:
        export_ncnn_component(
            made.opened.source,
            made.plans["unet"],
            tmp_path,
            "fp32",
            lengths=LENGTHS["unet"],
            outputs=TAKEN["unet"],
            on_progress=lambda _: None,
        )
    assert caught.value.hint == install_line("ncnn")
