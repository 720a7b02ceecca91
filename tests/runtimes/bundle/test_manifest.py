"""``edgediff.json``: what is written is read back, and every wrong field is named."""

from __future__ import annotations

import copy
import json
import math

import pytest

from edgediff_runtimes.bundle import Check, Manifest, OperatorCount
from edgediff_runtimes.errors import BundleError, FormatVersionError, ManifestError

MISSING = type("Missing", (), {"__repr__": lambda _: "missing"})()  # an address in a name differs between processes
WRONG_FIELDS = [
    # (where to put it, what, the name in the sentence)
    (("format_version",), MISSING, "format_version"),
    (("format_version",), 1, "format_version"),
    (("format_version",), "one", "format_version"),
    (("format_version",), "1.0.0", "format_version"),
    (("family",), MISSING, "family"),
    (("family",), "", "family"),
    (("family",), 3, "family"),
    (("tasks",), "text-to-image", "tasks"),
    (("tasks",), ["text-to-image", 1], "tasks"),
    (("components",), MISSING, "components"),
    (("components",), [], "components"),
    (("components", "unet"), "unet.onnx", "components.unet"),
    (("components", "unet", "format"), "safetensors", "components.unet.format"),
    (("components", "unet", "precision"), None, "components.unet.precision"),
    (("components", "unet", "files"), [], "components.unet.files"),
    (("components", "unet", "files"), ["model.onnx"], "components.unet.files[0]"),
    (("components", "unet", "files", 0, "path"), MISSING, "components.unet.files[0].path"),
    (("components", "unet", "files", 0, "bytes"), -1, "components.unet.files[0].bytes"),
    (("components", "unet", "files", 0, "bytes"), "12", "components.unet.files[0].bytes"),
    (("components", "unet", "files", 0, "bytes"), True, "components.unet.files[0].bytes"),
    (("components", "unet", "files", 0, "sha256"), "abc", "components.unet.files[0].sha256"),
    (("components", "unet", "files", 0, "sha256"), "G" * 64, "components.unet.files[0].sha256"),
    (("components", "unet", "inputs"), None, "components.unet.inputs"),
    (("components", "unet", "inputs", 0, "name"), "", "components.unet.inputs[0].name"),
    (("components", "unet", "inputs", 0, "dtype"), "float31", "components.unet.inputs[0].dtype"),
    (("components", "unet", "inputs", 0, "shape"), [1, 2.5], "components.unet.inputs[0].shape"),
    (("components", "unet", "inputs", 0, "shape"), [-1], "components.unet.inputs[0].shape"),
    (("components", "unet", "outputs", 0, "shape"), "batch", "components.unet.outputs[0].shape"),
    (("components", "unet", "tolerance"), "small", "components.unet.tolerance"),
    (("components", "unet", "checks"), [{"shapes": {"x": "1x2"}, "error": 0}], "components.unet.checks[0].shapes.x"),
    (("components", "unet", "checks"), [{"shapes": {}}], "components.unet.checks[0].error"),
    (("components", "unet", "operators"), {"Conv": {"total": 1}}, "components.unet.operators.Conv.quantised_weights"),
    (("components", "unet", "operators"), [], "components.unet.operators"),
    (("scheduler",), None, "scheduler"),
    (("scheduler", "_class_name"), MISSING, "scheduler._class_name"),
    (("stages",), [], "stages"),
    (("stages",), MISSING, "stages"),
    (("parts",), ["tokens", "telepathy"], "parts"),
    (("stages", 0, "name"), "", "stages[0].name"),
    (("stages", 0, "given", 0, "part"), "telepathy", "stages[0].given[0].part"),
    (("stages", 0, "given", 0, "ids"), MISSING, "stages[0].given[0].ids"),
    (("stages", 0, "given", 0, "length"), "77", "stages[0].given[0].length"),
    (("stages", 0, "given", 1, "feeds"), {"input_ids": 3}, "stages[0].given[1].feeds"),
    (("stages", 0, "given", 1, "colour"), "red", "stages[0].given[1].colour"),
    (("stages", 0, "tasks"), [], "stages[0].tasks"),
    (("stages", 0, "guidance", "above"), "one", "stages[0].guidance.above"),
    (("stages", 0, "space", "channels"), 4.0, "stages[0].space.channels"),
    (("stages", 0, "space", "preview"), [[0, 0, 0]], "stages[0].space.preview"),
    (("stages", 0, "space", "preview"), [[0, 0]] * 5, "stages[0].space.preview"),
    (("stages", 0, "space", "preview"), [["r", "g", "b"]] * 5, "stages[0].space.preview"),
    (("tokenizers",), {}, "tokenizers"),
    (("tokenizers", 0, "path"), MISSING, "tokenizers[0].path"),
    (("tokenizers", 0, "max_tokens"), 1, "tokenizers[0].max_tokens"),
    (("defaults", "steps"), 0, "defaults.steps"),
    (("defaults", "guidance"), None, "defaults.guidance"),
    (("defaults", "width"), 0, "defaults.width"),
    (("tokenizers", 0, "files"), MISSING, "tokenizers[0].files"),
    (("provenance", "source"), MISSING, "provenance.source"),
    (("provenance", "tools"), {"onnx": 1}, "provenance.tools"),
    (("provenance", "licence"), 2, "provenance.licence"),
    (("provenance", "card"), "README.md", "provenance.card"),
    (("provenance", "card"), {"path": "README.md"}, "provenance.card.bytes"),
    (("quality",), "good", "quality"),
    (("stages", 0, "schedule", "strength"), "head", "stages[0].schedule.strength"),
    (("stages", 0, "schedule", "strength"), 1, "stages[0].schedule.strength"),
    (("stages", 0, "given", 0, "side"), "up", "stages[0].given[0].side"),
    (("stages", 0, "space", "factor"), 4096, "stages[0].space.factor"),
]

QUALITY = {
    "reference": {"path": "quality/reference.npz", "bytes": 9, "sha256": None},
    "steps": 3,
    "guidance": 3.0,
    "width": 64,
    "height": 64,
    "engine": "onnxruntime",
    "engine_version": "1.32.0",
    "device": "cpu",
    "threads": 2,
    "psnr_db": {"mean": 41.5, "worst": 40.0},
    "ssim": {"mean": 0.99, "worst": 0.98},
    "pictures": [{"prompt": "a red apple", "seed": 0, "psnr_db": 41.5, "ssim": 0.99}],
    "components": {
        "unet": {
            "execution": "f32",
            "snr_db": 50.0,
            "levels": [{"timestep": 981.0, "snr_db": 50.0}],
            "alone": {"psnr_db": 41.5, "ssim": 0.99},
            "rescued": 2,
        },
        "vae_encoder": {"execution": "f32", "snr_db": 120.0, "levels": [], "alone": None, "rescued": 0},
    },
    "latency_ratio": 0.5,
    "task_metric": {"name": "right", "fp32": 0.98, "value": 0.97},
    "search": {
        "points": [{"lifted": ["a"], "bytes": 7, "psnr_db": 41.5, "ssim": 0.99, "latency_ratio": None}],
        "chosen": 0,
    },
}
WRONG_QUALITY = [
    (("reference",), MISSING, "quality.reference"),
    (("reference", "sha256"), "abc", "quality.reference.sha256"),
    (("steps",), 0, "quality.steps"),
    (("guidance",), None, "quality.guidance"),
    (("engine",), "", "quality.engine"),
    (("threads",), 0, "quality.threads"),
    (("threads",), 10**6, "quality.threads"),
    (("psnr_db",), 41.5, "quality.psnr_db"),
    (("psnr_db", "worst"), "40", "quality.psnr_db.worst"),
    (("ssim", "mean"), True, "quality.ssim.mean"),
    (("pictures",), [], "quality.pictures"),
    (("pictures", 0, "seed"), -1, "quality.pictures[0].seed"),
    (("pictures", 0, "prompt"), MISSING, "quality.pictures[0].prompt"),
    (("components", "unet", "execution"), MISSING, "quality.components.unet.execution"),
    (("components", "unet", "levels", 0, "timestep"), "981", "quality.components.unet.levels[0].timestep"),
    (("components", "unet", "alone", "ssim"), MISSING, "quality.components.unet.alone.ssim"),
    (("task_metric", "value"), MISSING, "quality.task_metric.value"),
    (("search", "points", 0, "lifted"), "a", "quality.search.points[0].lifted"),
    (("search", "points"), [], "quality.search.chosen"),
    (("search", "chosen"), 1, "quality.search.chosen"),
]


def _put(values, place, value):
    for key in place[:-1]:
        values = values[key]
    if value is MISSING:
        del values[place[-1]]
    else:
        values[place[-1]] = value


def test_what_is_written_is_read_back(manifest):
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_full_manifest_is_read_back(manifest_values):
    manifest_values["components"]["unet"]["checks"] = [
        {"shapes": {"sample": [2, 4, 8, 8], "timestep": []}, "error": 1e-6}
    ]
    for part in manifest_values["components"].values():
        part["operators"] = {"Conv": {"total": 3, "quantised_weights": 2, "quantised_activations": 1}}
    manifest_values["quality"] = QUALITY
    manifest_values["provenance"]["card"] = {"path": "README.md", "bytes": 3, "sha256": None}
    manifest_values["provenance"] |= {"source_sha256": "0" * 64, "command": "edgediff export é b", "date": "2026-11-23"}
    manifest_values["stages"][0]["schedule"]["strength"] = "whole"
    manifest = Manifest.from_json(json.dumps(manifest_values))
    assert manifest.components["unet"].checks == (Check({"sample": (2, 4, 8, 8), "timestep": ()}, 1e-6),)
    assert manifest.components["unet"].operators == {"Conv": OperatorCount(3, 2, 1)}
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert json.loads(manifest.to_json()) == manifest_values


@pytest.mark.parametrize(
    ("place", "value", "name"), WRONG_FIELDS, ids=lambda part: "missing" if part is MISSING else str(part)[:40]
)
def test_a_wrong_field_is_named(manifest_values, place, value, name):
    _put(manifest_values, place, value)
    with pytest.raises(ManifestError) as caught:
        Manifest.from_json(json.dumps(manifest_values))
    assert f"`{name}`" in caught.value.sentence
    assert "expected" in caught.value.sentence
    assert isinstance(caught.value, BundleError | ValueError)


@pytest.mark.parametrize(("place", "value", "name"), WRONG_QUALITY, ids=lambda part: str(part)[:40])
def test_a_wrong_field_of_the_quality_is_named(manifest_values, place, value, name):
    manifest_values["quality"] = copy.deepcopy(QUALITY)
    _put(manifest_values["quality"], place, value)
    with pytest.raises(ManifestError) as caught:
        Manifest.from_json(json.dumps(manifest_values))
    assert f"`{name}`" in caught.value.sentence


@pytest.mark.parametrize("part", ["task_metric", "search"])
def test_parts_of_the_quality_may_be_missing(manifest_values, part):
    manifest_values["quality"] = {name: value for name, value in QUALITY.items() if name != part}
    manifest = Manifest.from_json(json.dumps(manifest_values))
    assert getattr(manifest.quality, part) is None
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "[" * 100_000],
    ids=["empty", "cut", "array", "null", "string", "deep"],
)
def test_what_is_no_json_object_is_a_manifest_error(text):
    with pytest.raises(ManifestError) as caught:
        Manifest.from_json(text)
    assert "`edgediff.json`" in caught.value.sentence


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_json_does_not_have_is_refused(manifest_values, number):
    manifest_values["quality"] = {**QUALITY, "guidance": number}
    with pytest.raises(ManifestError, match="is not JSON"):
        Manifest.from_json(json.dumps(manifest_values))


def test_a_number_beyond_floats_is_named(manifest_values):
    manifest_values["stages"][0]["result"][0]["over"] = 10**400
    with pytest.raises(ManifestError, match=r"stages\[0\]\.result\[0\]\.over"):
        Manifest.from_json(json.dumps(manifest_values))


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.1"])
def test_another_major_version_is_refused(manifest_values, version):
    manifest_values["format_version"] = version
    manifest_values["family"] = None  # what a later format may look like is not for this one to say
    with pytest.raises(FormatVersionError, match=rf"{version}.*reads version 1\.x"):
        Manifest.from_json(json.dumps(manifest_values))


def test_a_newer_minor_version_is_read(manifest_values):
    manifest_values["format_version"] = "1.7"
    manifest_values["a_later_field"] = {"x": 1}
    assert Manifest.from_json(json.dumps(manifest_values)).format_version == "1.7"
