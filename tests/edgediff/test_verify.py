"""``verify`` measures again: what a manifest claims must be so, whatever was edited by hand."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

import edgediff
from edgediff_runtimes.engines import Share
from edgediff_runtimes.engines.onnxruntime import OnnxRuntimeEngine
from edgediff_runtimes.engines.onnxruntime_session import OnnxRuntimeSession
from edgediff_runtimes.errors import ComponentFileError, EngineError, ManifestError, SettingError, VerificationError


@pytest.fixture
def edit(measured_copy):
    """Change the manifest of the measured bundle by a function of its quality."""

    def apply(change):
        path = measured_copy / "edgediff.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        change(values["quality"])
        path.write_text(json.dumps(values), encoding="utf-8")
        return measured_copy

    return apply


def _rehash(quality, folder):
    """What a forger does who knows that hashes are compared."""
    data = (folder / "quality" / "reference.npz").read_bytes()
    quality["reference"].update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _alter_array(folder, choose):
    """Change one number of an array of the record that ``choose`` picks by the record's text."""
    path = folder / "quality" / "reference.npz"
    with np.load(path) as file:
        arrays = {name: file[name].copy() for name in file.files}
    name = choose(json.loads(arrays["record"].tobytes()))
    changed = arrays[name]
    changed[...] = 255 - changed if changed.dtype == np.uint8 else changed * 1.1
    np.savez_compressed(path, **arrays)


def test_a_measured_bundle_is_what_it_claims(measured):
    seen = []
    found = edgediff.verify(measured, on_progress=lambda *event: seen.append(event))
    assert found.files == 9  # the record is one of them
    assert [figure.name for figure in found.figures if figure.summary] == [
        "mean PSNR",
        "worst PSNR",
        "mean SSIM",
        "worst SSIM",
        *(f"SNR of `{role}`" for role in ("text_encoder", "unet", "vae_decoder", "vae_encoder")),
    ]
    # The same machine and engine: not nearly, but the same.
    assert [figure.measured for figure in found.figures] == [figure.claimed for figure in found.figures]
    assert seen[-1] == ("pictures", 3, 3)


def test_quick_draws_nothing(measured, edit):
    seen = []
    found = edgediff.verify(measured, quick=True, on_progress=lambda *event: seen.append(event))
    assert (found.files, found.graphs, found.figures, seen) == (9, 4, (), [])
    assert edgediff.verify(edit(lambda quality: quality["psnr_db"].update(mean=100)), quick=True).figures == ()


def test_a_claim_of_a_better_psnr_is_caught(edit):
    folder = edit(lambda quality: quality["psnr_db"].update(mean=quality["psnr_db"]["mean"] + 2))
    with pytest.raises(VerificationError, match=r"claims .* dB as mean PSNR: measured .* dB, expected at least .* dB"):
        edgediff.verify(folder)


def test_every_figure_of_one_picture_and_of_one_level_is_held_against_its_measure(edit):
    folder = edit(lambda quality: quality["pictures"][1].update(psnr_db=50.0))
    with pytest.raises(VerificationError, match=r'50\.00 dB as PSNR of the picture "the cat": measured'):
        edgediff.verify(folder)
    folder = edit(lambda quality: quality["pictures"][1].update(psnr_db=1.0))  # what is better than claimed is no fault
    edgediff.verify(folder)
    folder = edit(lambda quality: quality["components"]["unet"]["levels"][0].update(snr_db=90.0))
    with pytest.raises(VerificationError, match="as SNR of `unet` at time step"):
        edgediff.verify(folder)


def test_a_changed_record_is_caught_by_its_hash(measured_copy):
    _alter_array(measured_copy, lambda text: text["pictures"])
    with pytest.raises(ComponentFileError, match=r"`quality/reference\.npz` "):
        edgediff.verify(measured_copy)


def test_a_changed_picture_is_caught_also_with_a_hash_that_fits(edit, measured_copy):
    _alter_array(measured_copy, lambda text: text["pictures"])
    with pytest.raises(VerificationError, match="PSNR"):
        edgediff.verify(edit(lambda quality: _rehash(quality, measured_copy)))


def test_a_changed_probe_is_caught_also_with_a_hash_that_fits(edit, measured_copy):
    _alter_array(measured_copy, lambda text: text["probes"][-1]["expected"])
    with pytest.raises(VerificationError, match=r"claims 120\.00 dB as SNR of `vae_encoder`: measured 2\d\."):
        edgediff.verify(edit(lambda quality: _rehash(quality, measured_copy)))


def test_a_coarser_graph_is_caught_also_with_a_hash_that_fits(measured_copy):
    path = measured_copy / "vae_decoder" / "model.onnx"
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    colours = _decoder_weights(generator)
    assert data.count(colours.tobytes()) == 1
    path.write_bytes(data.replace(colours.tobytes(), (colours * 8).round().tobytes()))
    manifest = measured_copy / "edgediff.json"
    values = json.loads(manifest.read_text(encoding="utf-8"))
    values["components"]["vae_decoder"]["files"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(VerificationError, match="expected at least"):
        edgediff.verify(measured_copy)


def _decoder_weights(generator):
    """As ``make_tiny_bundle.py`` draws them, fourth."""
    for count in (8, 4 * 4 * 9, 8 * 4):
        generator.standard_normal(count)
    return (0.1 * generator.standard_normal((3, 4, 1, 1))).astype(np.float32)


def test_other_settings_than_the_record_s_are_named(edit):
    with pytest.raises(ManifestError, match=r"`quality\.steps` is 1: expected 3, as the bundle's record has it"):
        edgediff.verify(edit(lambda quality: quality.update(steps=1)))


def test_an_engine_that_there_is_not_is_one_sentence(edit):
    with pytest.raises(SettingError, match="`engine` is 'tvm'"):
        edgediff.verify(edit(lambda quality: quality.update(engine="tvm")))
    with pytest.raises(EngineError, match="the device `npu` is not available"):
        edgediff.verify(edit(lambda quality: quality.update(engine="onnxruntime", device="npu")))


def test_the_command_prints_what_was_claimed_and_measured(command, measured):
    outcome = command("verify", measured)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "9 files are what was exported, 4 graphs load"
    assert lines[1].startswith("quality as claimed: all ")
    assert lines[2].split() == ["figure", "claimed", "measured", "at", "least"]
    (psnr,) = (line for line in lines if line.startswith("mean PSNR"))
    assert psnr.count(" dB") == 3
    report = json.loads(command("verify", measured, "--json").out)
    assert report["figures"][0]["name"] == "mean PSNR"
    assert report["figures"][0]["claimed"] == report["figures"][0]["measured"]
    assert command("verify", measured, "--quick").out == "9 files are what was exported, 4 graphs load\n"


def test_the_command_says_in_one_sentence_what_does_not_hold(command, edit):
    outcome = command("verify", edit(lambda quality: quality["psnr_db"].update(mean=60.0)))
    assert (outcome.code, outcome.out) == (1, "")
    error, hint = outcome.err.splitlines()
    assert error.startswith("error: the manifest claims 60.00 dB as mean PSNR: measured ")
    assert hint.startswith("hint: ")


def test_who_computed_is_told_beside_the_distance(command, measured, monkeypatch):
    found = edgediff.verify(measured)
    assert list(found.computed) == ["text_encoder", "unet", "vae_decoder", "vae_encoder"]
    assert {(how.engine, *how.shares) for how in found.computed.values()} == {("onnxruntime", "cpu")}
    told = {"cpu": Share(2, 0.1, ("Sin",)), "webgpu": Share(9, 0.9, ("Conv",))}
    monkeypatch.setattr(OnnxRuntimeSession, "shares", lambda _: told)
    outcome = command("verify", measured, "--device", "cpu")
    rows = [line.split(maxsplit=3) for line in outcome.out.splitlines()]
    assert ["unet", "onnxruntime", "f32", "webgpu 90.0 % (9 of 11 nodes), cpu 10.0 % (2 of 11 nodes)"] in rows
    assert edgediff.verify(measured, quick=True).computed == {}


def test_a_bundle_that_claims_nothing_says_that_nothing_was_measured(command, golden):
    found = edgediff.verify(golden / "bundle")
    assert (found.figures, found.not_measured) == ((), "the manifest claims nothing of the bundle's quality")
    outcome = command("verify", golden / "bundle")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == "nothing measured: the manifest claims nothing of the bundle's quality"
    assert edgediff.verify(golden / "bundle", quick=True).not_measured == "not asked for"


def test_a_config_without_a_source_is_refused(command, measured):
    with pytest.raises(SettingError, match=r"`config` is 'configs': expected nothing without `against`"):
        edgediff.verify(measured, config="configs")
    outcome = command("verify", measured, "--config", "configs")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--config has the configs of the SOURCE of --against" in outcome.err


def test_another_engine_measures_the_same_bundle(measured, command):
    with_its_own = edgediff.verify(measured, engine="onnxruntime")
    assert [figure.measured for figure in with_its_own.figures] == [figure.claimed for figure in with_its_own.figures]
    seen = []

    class Counting:
        """The engine, and what it loaded."""

        name, version = OnnxRuntimeEngine.name, OnnxRuntimeEngine.version

        def __init__(self):
            self._engine = OnnxRuntimeEngine()
            self.devices, self.execution = self._engine.devices, self._engine.execution

        def load(self, graph, **options):
            seen.append(graph.role)
            return self._engine.load(graph, **options)

    assert edgediff.verify(measured, engine=Counting(), quick=True).graphs == 4
    assert sorted(seen) == ["text_encoder", "unet", "vae_decoder", "vae_encoder"]
    assert edgediff.verify(measured, engine=Counting()).figures
    assert len(seen) > 8  # measured with it as well
    outcome = command("verify", measured, "--engine", "tvm")
    assert outcome.code == 1
    assert outcome.err.startswith("error: `engine` is 'tvm'")
