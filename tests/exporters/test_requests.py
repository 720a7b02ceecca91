"""What no model could be exported with is refused before PyTorch is imported, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASK = """
from math import inf
import sys
import edgediff
try:
    edgediff.export({source!r}, {bundle!r}, **{options!r})
except edgediff.EdgediffError as error:
    print(error)
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("torch", "diffusers", "transformers")))
"""
HERE = "."


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        ("nowhere", {}, "`nowhere` is not there: expected a directory, a `.safetensors` file or a hub name"),
        ("./nowhere", {}, "`nowhere` is not there: expected a directory"),
        ("../nowhere", {}, "`nowhere` is not there: expected a directory"),
        ("/dev/null", {}, "`null` is a pipe or a device: expected a directory, a `.safetensors` file or a hub name"),
        (HERE, {"precision": "fp23"}, "`precision` is 'fp23': expected one of fp32,"),
        (HERE, {"precision": {"unet": "int3"}}, "`precision` is 'int3': expected one of fp32,"),
        (HERE, {"precision": "bf16"}, "`precision` is 'bf16': expected one of fp32,"),
        (HERE, {"format": "gguf"}, "`format` is 'gguf': expected one of onnx, openvino"),
        (HERE, {"min_psnr": 30.0}, "`min_psnr` is 30.0: expected nothing, because an ONNX bundle in fp32"),
        (HERE, {"precision": "int8", "trial_steps": 0}, "`trial_steps` is 0: expected a whole number of at least 1"),
        (HERE, {"defaults": {"steps": float("inf")}}, "`defaults.steps` is inf: expected a whole number of at least 1"),
        (HERE, {"defaults": {"steps": True}}, "`defaults.steps` is True: expected a whole number of at least 1"),
        (HERE, {"defaults": {"guidance": 10**400}}, "`defaults.guidance` is 10"),
        (HERE, {"defaults": {"width": 99_999_999}}, "`defaults.width` is 99999999: expected a whole number of at most"),
        (HERE, {"defaults": {"stepz": 1}}, "`defaults` is 'stepz': expected one of steps, guidance, width, height"),
        (HERE, {"bundle": "there"}, "`there` exists: expected a place where nothing is"),
        (HERE, {"bundle": "no/where"}, "`where` cannot be written: the directory `no` does not exist"),
    ],
    ids=str,
)
def test_refused_before_torch(tmp_path, source, options, sentence):
    (tmp_path / "there").mkdir()
    asked = {**options}
    code = ASK.format(source=source, bundle=asked.pop("bundle", "bundle"), options=asked)
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    said, *_, loaded = ran.stdout.splitlines()
    assert said.startswith(sentence)
    assert loaded == "[]"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_component_of_less_precision_than_the_common_one_may_be_named(tmp_path):
    """`int8` is calibrated even where no component is named with it."""
    code = ASK.format(
        source="nowhere",
        bundle="bundle",
        options={"precision": {"*": "int8", "vae_decoder": "fp32"}, "calibration_pictures": 3},
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("`nowhere` is not there")
