"""``verify --against``: graphs are measured again, whatever the manifest says."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

import edgediff
from edgediff_runtimes.errors import ManifestError, SourceError, ToleranceError


def test_errors_are_those_of_the_export(report, sd1):
    verification = edgediff.verify(report.path, against=sd1)
    claimed = {role: max(c.error for c in part.checks) for role, part in report.manifest.components.items()}
    assert verification.errors == pytest.approx(claimed, rel=0.5)
    assert verification.tolerances == {role: part.tolerance for role, part in report.manifest.components.items()}


def test_other_weights_are_noticed_whatever_the_manifest_claims(report, sd1, tmp_path):
    source, bundle = tmp_path / "source", tmp_path / "bundle"
    shutil.copytree(sd1, source)
    shutil.copytree(report.path, bundle)
    weights = source / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_out.bias"] += 1.0
    save_file(tensors, weights)
    manifest = json.loads((bundle / "edgediff.json").read_text())
    manifest["components"]["unet"]["tolerance"] = 10.0
    (bundle / "edgediff.json").write_text(json.dumps(manifest))
    with pytest.raises(ToleranceError, match="the graph of `unet` differs from its module"):
        edgediff.verify(bundle, against=source)


def test_a_manifest_that_does_not_tell_the_operators_is_noticed(report, sd1, tmp_path):
    path = shutil.copytree(report.path, tmp_path / "bundle") / "edgediff.json"
    manifest = json.loads(path.read_text())
    del manifest["components"]["text_encoder"]["operators"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match=r"`components\.text_encoder\.operators\.\w+` is None: expected \{'total'"):
        edgediff.verify(tmp_path / "bundle", against=sd1)


def test_a_derived_bundle_is_refused(report, sd1, tmp_path):
    shutil.copytree(report.path, tmp_path / "bundle")
    (tmp_path / "bundle" / "edgediff.json").unlink()
    with pytest.raises(SourceError, match="was not exported by edgediff"):
        edgediff.verify(tmp_path / "bundle", against=sd1)
