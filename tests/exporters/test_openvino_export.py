"""``--format openvino`` from end to end, on a tiny model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

import edgediff
from edgediff.cli.verify import command
from edgediff_exporters import TrialOptions, export
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.compiled_cache import CompiledCache
from edgediff_runtimes.errors import EngineError, ManifestError, ToleranceError
from edgediff_runtimes.quality import Reference, Runner, check_claims, measure

TRIALS = {"calibration_pictures": 1, "evaluation_pictures": 2, "trial_steps": 2}
ASKED = 35.0  # dB; more than all-int8 has
GRAPH = ["config.json", "openvino_model.bin", "openvino_model.xml"]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    """A cache of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEDIFF_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield CompiledCache.of_user()


@pytest.fixture(scope="module")
def make(sd1, traced_already, tmp_path_factory):  # noqa: ARG001 - for what it does
    def make(precision, **trials):
        place = tmp_path_factory.mktemp("openvino") / "bundle"
        return export(sd1, place, format="openvino", precision=precision, trials=TrialOptions(**{**TRIALS, **trials}))

    return make


@pytest.fixture(scope="module")
def int8(make):
    return make("int8")


def test_an_export_does_not_fill_the_cache_of_its_user(int8, cache):
    assert int8.manifest.quality.engine == "openvino"  # it was computed there
    assert cache.entries() == ()


def test_every_component_is_ir_and_counted(int8):
    bundle = Bundle.open(int8.path)
    bundle.check_hashes()
    assert bundle.manifest == int8.manifest
    for role, part in bundle.manifest.components.items():
        assert part.format == "openvino"
        assert sorted(path.name for path in (int8.path / role).iterdir()) == GRAPH
        counts = part.operators.values()
        rounded = sum(count.quantised_activations for count in counts)
        assert (rounded > 0) == (part.precision == "int8"), role
        assert sum(count.quantised_weights for count in counts) > 0
    assert {role: part.precision for role, part in bundle.manifest.components.items()} == {
        "text_encoder": "w8",
        "unet": "int8",
        "vae_decoder": "int8",
        "vae_encoder": "int8",
    }


def test_the_tokenizer_is_a_graph_too(int8):
    (tokenizer,) = int8.manifest.tokenizers
    assert {"openvino_tokenizer.xml", "openvino_tokenizer.bin"} <= {
        entry.path.rpartition("/")[2] for entry in tokenizer.files
    }


def test_its_pictures_are_near_those_of_fp32_and_its_claims_hold(int8):
    bundle = Bundle.open(int8.path)
    claimed = bundle.manifest.quality
    assert 20 < claimed.psnr_db.mean < 90
    assert claimed.latency_ratio > 0
    again = measure(Runner(bundle), Reference.of(bundle), record=claimed.reference)
    assert len(check_claims(claimed, again)) > 10


def test_it_is_drawn_with_by_default(int8):
    with edgediff.load(int8.path) as pipeline:
        result = pipeline("a red apple", seed=0, steps=2)
    assert result.computed["unet"].engine == "openvino"
    assert np.asarray(result.images[0]).shape == (16, 16, 3)


@pytest.mark.slow
@pytest.mark.nightly  # by day the same search runs in ONNX, see test_mixed.py
@pytest.mark.usefixtures("counted_time")
def test_mixed_lifts_layers_until_the_asked_psnr_holds(int8, make):
    report = make({"unet": "mixed"}, min_psnr=ASKED, search_minutes=2)
    search = report.manifest.quality.search
    first, chosen = search.points[0], search.points[search.chosen]
    assert first.lifted == ()
    assert first.psnr_db < ASKED <= chosen.psnr_db
    whole, lifted = (
        sum(count.quantised_activations for count in one.manifest.components["unet"].operators.values())
        for one in (int8, report)
    )
    assert lifted == whole - len(chosen.lifted) < whole


def test_verify_compares_what_is_quantised_and_says_that_it_has_no_bound(int8, sd1):
    found = edgediff.verify(int8.path, against=sd1, quick=True)
    assert set(found.errors) == {"text_encoder", "unet", "vae_decoder", "vae_encoder"}
    assert (found.tolerances, found.not_compared) == ({}, {})
    assert all(1e-4 < error < 1 for error in found.errors.values())  # rounded, and yet the same network
    outcome = CliRunner().invoke(command, [str(int8.path), "--against", str(sd1), "--quick"])
    assert outcome.exit_code == 0
    assert outcome.output.count(", no bound for this precision") == 4


def test_verify_holds_ir_in_fp32_to_the_bound_of_fp32(make, sd1, tmp_path):
    report = make("fp32", calibration_pictures=None, evaluation_pictures=0, trial_steps=None)
    found = edgediff.verify(report.path, against=sd1)
    assert set(found.tolerances.values()) == {1e-4}
    assert max(found.errors.values()) < 1e-5
    assert (found.figures, found.not_measured) == ((), "the manifest claims nothing of the bundle's quality")
    changed = shutil.copytree(sd1, tmp_path / "changed")
    weights = changed / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_out.bias"] += 0.1
    save_file(tensors, weights)
    with pytest.raises(ToleranceError, match="the graph of `unet` differs from its module"):
        edgediff.verify(report.path, against=changed)


def test_verify_counts_operators_again(int8, sd1, tmp_path):
    forged = shutil.copytree(int8.path, tmp_path / "forged")
    path = forged / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["components"]["unet"]["operators"]["Convolution"]["quantised_activations"] += 1
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"`components\.unet\.operators\.Convolution` is .* as the graph has it"):
        edgediff.verify(forged, against=sd1, quick=True)


def test_verify_measures_with_the_engine_that_is_asked_for(int8):
    found = edgediff.verify(int8.path, engine="openvino")
    assert found.figures
    with pytest.raises(EngineError, match="its format is `openvino`"):
        edgediff.verify(int8.path, engine="onnxruntime")
