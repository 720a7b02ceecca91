"""Engines, devices, executions and the cache, as the API and the command have them."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff import api
from edgediff_runtimes import placement
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.compiled_cache import CompiledCache
from edgediff_runtimes.engines import FakeEngine, get_engine
from edgediff_runtimes.errors import DeviceError, NonFiniteError, NotInstalledError, SettingError
from edgediff_runtimes.installing import install_line

QUICK = {"seed": 0, "steps": 2}
OPENVINO = install_line("openvino")


@pytest.fixture
def openvino():
    try:
        return get_engine("openvino")
    except NotInstalledError as error:
        pytest.skip(error.sentence)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of this test's own with two entries."""
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "cache"))
    found = CompiledCache.of_user()
    for role in ("unet", "vae_decoder"):
        about = {"role": role, "graph": f"/models/mine/{role}/model.onnx", "engine": "openvino", "device": "cpu"}
        found.compiled(role, {**about, "execution": "bf16"}, lambda folder: (folder / "blob").touch(), expected_bytes=0)
    return found


def test_both_engines_draw_the_same_picture(openvino, bundle):
    pictures = []
    for name in ("onnxruntime", openvino.name):
        with edgediff.load(bundle, engine=name) as pipeline:
            result = pipeline("a red apple", **QUICK)
        assert {how.engine for how in result.computed.values()} == {name}
        assert {how.execution for how in result.computed.values()} == {"f32"}
        pictures.append(np.asarray(result.images[0], np.int16))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert pictures[0].std() > 1


def test_components_on_two_engines_draw_the_same_picture(openvino, bundle, command, tmp_path):
    with edgediff.load(bundle) as pipeline:
        expected = np.asarray(pipeline("a red apple", **QUICK).images[0], np.int16)
    with edgediff.load(bundle, engine={"unet": openvino.name, "*": "onnxruntime"}, device={"unet": "cpu"}) as pipeline:
        result = pipeline("a red apple", **QUICK)
    assert np.abs(np.asarray(result.images[0], np.int16) - expected).max() <= 1
    target = tmp_path / "a.png"
    placed = ("--engine", "unet=openvino", "--engine", "onnxruntime", "--device", "unet=cpu,vae_decoder=cpu")
    done = command("run", "a red apple", "-m", bundle, "-o", target, "--seed", 0, "--steps", 2, *placed, "--json")
    (report,) = json.loads(done.out)
    for computed in (result.metadata(0)["computed"], report["computed"]):
        assert {role: how["engine"] for role, how in computed.items()} == {
            "text_encoder": "onnxruntime",
            "unet": "openvino",
            "vae_decoder": "onnxruntime",
        }
    with Image.open(target) as drawn:
        assert np.array_equal(np.asarray(drawn.convert("RGB")), np.asarray(result.images[0]))


def test_a_device_of_one_component_chooses_its_engine(openvino, bundle):
    with edgediff.load(bundle, device={"vae_decoder": "auto-plugin"}) as pipeline:
        result = pipeline("a red apple", **QUICK)
    assert {role: how.engine for role, how in result.computed.items()} == {
        "text_encoder": "onnxruntime",
        "unet": "onnxruntime",
        "vae_decoder": openvino.name,
    }


def test_verify_uses_what_is_named(openvino, bundle, command):
    assert command("verify", bundle, "--quick", "--engine", f"unet={openvino.name}").code == 0
    done = command("verify", bundle, "--quick", "--device", "unet=tpu")
    assert (done.code, done.out) == (1, "")
    assert "the device `tpu` is not available: expected one of cpu" in done.err


def test_a_named_device_chooses_the_engine(openvino, bundle):
    with edgediff.load(bundle, device="auto-plugin") as pipeline:
        result = pipeline("a red apple", **QUICK)
    assert {how.engine for how in result.computed.values()} == {openvino.name}


def test_low_memory_draws_the_same(openvino, bundle):
    assert openvino.name
    with (
        edgediff.load(bundle, engine="openvino") as usual,
        edgediff.load(bundle, engine="openvino", low_memory=True, residency="sequential") as sparing,
    ):
        results = [pipeline("a red apple", **QUICK).latents for pipeline in (usual, sparing)]
    np.testing.assert_array_equal(*results)


def test_a_fixed_size_is_for_openvino(openvino, bundle, command, tmp_path):
    with (
        edgediff.load(bundle, engine=openvino.name) as usual,
        edgediff.load(bundle, engine=openvino.name, static=(16, 32)) as fixed,
    ):
        expected, got = usual("a red apple", **QUICK, width=16, height=32), fixed("a red apple", **QUICK)
        with fixed._components.use("unet") as unet:
            (shapes,) = unet._session._models
            compiled = dict(zip(unet.inputs, shapes, strict=True))
        with fixed._components.use("text_encoder") as text_encoder:
            assert list(text_encoder._session._models) == [None]
    np.testing.assert_allclose(got.latents, expected.latents, rtol=0, atol=1e-5)
    assert got.computed == expected.computed
    assert compiled["sample"] == (-1, -1, *got.latents.shape[2:])  # batch and prompt stay open
    assert compiled["encoder_hidden_states"] == (-1, -1, -1)
    run = ("run", "a red apple", "-m", bundle, "--static", "64x64", "--seed", 0, "--steps", 2)
    assert command(*run, "--engine", openvino.name, "-o", tmp_path / "a.png").code == 0
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.size == (64, 64)
    done = command(*run, "--engine", openvino.name, "--size", "16x16", "-o", tmp_path / "b.png")
    assert (done.code, [file.name for file in tmp_path.glob("*.png")]) == (1, ["a.png"])
    assert "expected 64, because the bundle was loaded for 64x64 alone\nhint: `--static` fixes the size" in done.err
    done = command(*run, "--engine", "onnxruntime", "-o", tmp_path / "b.png")
    assert done.code == 1
    assert "`static` is '64x64': expected none, because `onnxruntime` gains nothing by a fixed size" in done.err
    mixed = {"unet": openvino.name, "*": "onnxruntime"}
    with edgediff.load(bundle, engine=mixed, static=(16, 32)) as pipeline:
        assert pipeline("a red apple", **QUICK).images[0].size == (16, 32)


def test_a_fixed_size_of_a_graph_with_weights_in_int8(openvino):
    # With all axes fixed OpenVINO 2026.4.1 ended the process here.
    options = {"seed": 0, "steps": 2}
    with edgediff.load("emoji-lcm", engine=openvino.name) as usual:
        expected = usual("a red apple", **options)
    with edgediff.load("emoji-lcm", engine=openvino.name, static=(64, 64)) as fixed:
        got = fixed("a red apple", **options)
    np.testing.assert_allclose(got.latents, expected.latents, rtol=0, atol=1e-4)


def test_a_missing_package_names_its_line(monkeypatch, bundle):
    for name in [name for name in sys.modules if name.startswith("edgediff_runtimes.engines.openvino")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(NotInstalledError, match="the engine `openvino` is not installed") as caught:
        edgediff.load(bundle, engine="openvino")
    assert caught.value.hint == OPENVINO
    with pytest.raises(DeviceError) as caught:
        edgediff.load(bundle, device="gpu")
    assert caught.value.hint == f"`openvino` reaches it where the machine has one of Intel's: {OPENVINO}"
    with pytest.raises(DeviceError) as caught:
        edgediff.load(bundle, device="cuda")
    assert "openvino" not in caught.value.hint  # which reaches no such device either
    report = api.describe_devices()
    assert report["engines"]["openvino"] == {"missing": OPENVINO}


def test_an_execution_that_is_none(bundle):
    with pytest.raises(SettingError, match="`execution` is 'fp8': expected one of f32, bf16, f16"):
        edgediff.load(bundle, execution="fp8")


def test_the_command_tells_what_computed(bundle, command, tmp_path):
    done = command(
        "run", "a red apple", "-m", bundle, "-o", tmp_path / "a.png", "--steps", "2", "--execution", "f32", "--json"
    )
    (report,) = json.loads(done.out)
    shares = report["computed"]["unet"].pop("shares")
    assert [(name, share["time"]) for name, share in shares.items()] == [("cpu", 1.0)]
    assert shares["cpu"]["nodes"] > 1
    how = {"engine": "onnxruntime", "execution": "f32", "calls": 2, "rescued": 0, "threads": None}
    assert report["computed"]["unet"] == how
    assert list(report["computed"]) == ["text_encoder", "unet", "vae_decoder"]


REFUSED = {
    "engine": (("--engine", "steam"), "`engine` is 'steam': expected one of onnxruntime"),
    "execution": (("--execution", "bf16"), "`execution` is 'bf16': expected f32, because `onnxruntime` computes"),
    "no execution": (("--execution", "fast"), "`execution` is 'fast': expected one of f32, bf16, f16"),
    "device": (("--device", "tpu"), "the device `tpu` is not available: expected one of cpu"),
    "a component": (("--device", "unett=cpu"), "`device` is 'unett=cpu': expected components among text_encoder, unet"),
    "a component's device": (("--device", "unet=tpu"), "the device `tpu` is not available: expected one of cpu"),
    "a component's engine": (("--engine", "unet=steam"), "`engine` is 'steam': expected one of onnxruntime"),
    "engine's device": (("--engine", "onnxruntime", "--device", "gpu"), "`gpu` is not available: expected one of cpu"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_one_sentence(bundle, command, tmp_path, case):
    arguments, sentence = REFUSED[case]
    done = command("run", "a red apple", "-m", bundle, "-o", tmp_path / "a.png", "--steps", "2", *arguments)
    assert (done.code, done.out) == (1, "")
    assert sentence in done.err
    assert done.err.count("error:") == 1
    assert list(tmp_path.glob("*.png")) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--device", "cpu", "--device", "npu"), "--device names cpu and npu for all components: expected one"),
        (("--engine", "unet=a,unet=b"), "--engine names a component twice: unet=a unet=b"),
        (("--residency", "never"), "'never' is not one of 'resident', 'sequential'"),
    ],
)
def test_what_is_said_twice_or_not_at_all_is_a_usage_error(bundle, command, arguments, sentence):
    done = command("run", "a", "-m", bundle, *arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


@pytest.fixture
def overflowing(monkeypatch, bundle):
    """Has the command draw with an engine whose bf16 overflows, and a bundle that asks for bf16."""
    opened = Bundle.open(bundle)
    parts = {role: dataclasses.replace(part, precision="bf16") for role, part in opened.manifest.components.items()}
    manifest = dataclasses.replace(opened.manifest, components=parts)
    monkeypatch.setattr(api, "open_bundle", lambda _: Bundle(opened.path, manifest))
    shapes = {"text_encoder": (2, 12, 8), "unet": (2, 4, 8, 8), "vae_decoder": (1, 3, 64, 64)}
    names = {role: part.outputs[0].name for role, part in parts.items()}

    def answer(role, value):
        return {names[role]: np.full(shapes[role], value, np.float32)}

    engine = FakeEngine(lambda role, _: answer(role, 0.5), lower={"bf16": lambda role, _: answer(role, np.inf)})
    monkeypatch.setattr(placement, "get_engine", lambda _: engine)
    return engine


@pytest.mark.filterwarnings("default")
def test_a_rescue_is_said_and_recorded(overflowing, bundle, command, tmp_path):
    assert overflowing.name == "fake"
    target = tmp_path / "a.png"
    done = command("run", "a", "-m", bundle, "-o", target, "--steps", "3", "--guidance", "4", "--engine", "x", "--json")
    assert done.code == 0
    said = "warning: `unet` returned values that are not finite, computed in bf16: it is computed again in f32"
    assert done.err.count(said) == 1
    (report,) = json.loads(done.out)
    how = {"engine": "fake", "execution": "bf16", "calls": 3, "rescued": 3, "threads": None, "shares": {}}
    assert report["computed"]["unet"] == how


def test_strict_refuses_a_rescue(overflowing, bundle, command, tmp_path):
    assert overflowing.name == "fake"
    done = command("run", "a", "-m", bundle, "-o", tmp_path / "a.png", "--guidance", "4", "--engine", "x", "--strict")
    assert done.code == 1
    assert "error: the component `text_encoder` returned values that are not finite" in done.err
    with edgediff.load(bundle, engine="x", strict=True) as pipeline, pytest.raises(NonFiniteError):
        pipeline("a", guidance=4.0)


def test_the_cache_is_shown(cache, command):
    done = command("cache")
    assert done.code == 0
    assert f"{cache.path}: 2 graphs," in done.out
    assert "unet" in done.out
    assert "mine" in done.out
    assert "bf16" in done.out
    report = json.loads(command("cache", "--json").out)
    assert (report["path"], report["limit_bytes"]) == (str(cache.path), 4 << 30)
    assert report["bytes"] == sum(entry["bytes"] for entry in report["entries"]) > 0
    assert {entry["role"] for entry in report["entries"]} == {"unet", "vae_decoder"}


def test_the_cache_is_cleared(cache, command):
    done = command("cache", "--clear")
    assert done.code == 0
    assert "0 graphs" in done.out
    assert "deleted 2 graphs" in done.err
    assert cache.entries() == ()
    nothing = {"entries": 0, "bytes": 0}
    assert json.loads(command("cache", "--clear", "--json").out)["cleared"] == {
        **nothing,
        "plans": nothing,
        "web": nothing,
    }


def test_what_plans_keep_is_shown_and_cleared_with_it(cache, command):
    plans = cache.path.parent / "plans"
    assert f"{plans}: 0 measurements of plans, 0 B" in command("cache").out
    plans.mkdir(parents=True)
    for name, size in (
        (f"{'0' * 32}.json", 1500),
        (".ab.part", 500),
        ("mine.txt", 7),
    ):  # the second of a killed process
        (plans / name).write_bytes(b" " * size)
    assert f"{plans}: 2 measurements of plans, 2 kB" in command("cache").out
    known = {"entries": 2, "bytes": 2000}
    assert json.loads(command("cache", "--json").out)["plans"] == {"path": str(plans), **known}
    done = command("cache", "--clear", "--json")
    assert json.loads(done.out)["cleared"]["plans"] == known
    assert [path.name for path in plans.iterdir()] == ["mine.txt"]
    assert "and 0 measurements of plans" in command("cache", "--clear").err


def test_a_cache_that_is_not_there_yet_is_empty(monkeypatch, command, tmp_path):
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "none"))
    assert "0 graphs" in command("cache").out
    assert not (tmp_path / "none").exists()


def test_a_limit_that_is_none_is_one_sentence(monkeypatch, command):
    monkeypatch.setenv("EDGEDIFF_CACHE_LIMIT", "plenty")
    done = command("cache")
    assert done.code == 1
    assert "`EDGEDIFF_CACHE_LIMIT` is 'plenty': expected a number of bytes such as 2GB or 512MiB" in done.err
