"""The whole way of an export that is measured: reference, calibration, candidate, gate, manifest, and what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import edgediff
from edgediff_exporters import TrialOptions, candidate, export, measuring
from edgediff_exporters.precision import precision_by_role
from edgediff_exporters.staging import clean_up
from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.errors import ManifestError, QualityError, SettingError
from edgediff_runtimes.quality import CALIBRATION_PROMPTS, Probe, Reference, Runner, check_claims, measure

TRIALS = {"calibration_pictures": 2, "evaluate": ["a red apple", "a dog"], "trial_steps": 3}
INT8 = {"unet": "int8", "vae_decoder": "int8"}


@pytest.fixture(scope="module")
def make(sd1, traced_already):  # noqa: ARG001 - for what it does
    def make(place, precision=None, on_progress=lambda _: None, **trials):
        options = TrialOptions(**{**TRIALS, **trials})
        return export(sd1, place, precision=precision or INT8, trials=options, on_progress=on_progress, overwrite=True)

    return make


@pytest.fixture(scope="module")
def made(make, tmp_path_factory):
    """One export, what it told on its way, and what it calibrated with."""
    events, drawn = [], []
    record = candidate.record_calibration

    def recording(fp32, folder, **options):
        drawn.append((options["prompts"], options["pictures"], sorted(options["roles"])))
        return record(fp32, folder, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate, "record_calibration", recording)
        place = tmp_path_factory.mktemp("measured") / "bundle"
        return make(place, on_progress=events.append, min_psnr=10, min_ssim=0.1), events, drawn


def test_the_manifest_tells_what_was_made_and_measured(made):
    report, _, _ = made
    bundle = Bundle.open(report.path)
    bundle.check_hashes()
    assert bundle.manifest == report.manifest == Manifest.from_json((report.path / "edgediff.json").read_text())
    parts = bundle.manifest.components
    assert {role: part.precision for role, part in parts.items()} == {
        "text_encoder": "fp32",
        "unet": "int8",
        "vae_decoder": "int8",
        "vae_encoder": "fp32",
    }
    for role in ("unet", "vae_decoder"):
        convolutions = parts[role].operators["Conv"]
        # All but those at the ends, and in a VAE the second one.
        assert convolutions.quantised_activations == convolutions.quantised_weights >= convolutions.total - 3 > 0
        assert (parts[role].tolerance, parts[role].checks) == (None, ())
    assert parts["text_encoder"].checks
    quality = bundle.manifest.quality
    assert [(one.prompt, one.seed) for one in quality.pictures] == [("a red apple", 0), ("a dog", 1)]
    assert (quality.steps, quality.width, quality.height, quality.engine) == (3, 16, 16, "onnxruntime")
    assert 20 < quality.psnr_db.mean < 80
    assert 10 < quality.components["unet"].snr_db < 60
    assert quality.components["text_encoder"].snr_db > 100
    assert quality.components["unet"].alone.psnr_db < 80 < quality.components["text_encoder"].alone.psnr_db
    assert quality.latency_ratio > 0
    assert bundle.manifest.provenance.command.endswith(
        "--precision unet=int8 --precision vae_decoder=int8 --calibration-pictures 2 --evaluate '(2 prompts)' "
        "--trial-steps 3 --min-psnr 10 --min-ssim 0.1"
    )
    assert [path.name for path in report.path.parent.iterdir()] == ["bundle"]
    assert {path.name for path in report.path.iterdir()} == {
        "edgediff.json", "model_index.json", "scheduler", "tokenizer", "quality", *parts
    }  # fmt: skip


def test_verify_compares_quantised_graphs_with_their_modules_too(made, sd1, tmp_path):
    report, _, _ = made
    found = edgediff.verify(report.path, against=sd1, quick=True)
    assert found.tolerances == {"text_encoder": 1e-4, "vae_encoder": 1e-4}
    assert all(1e-4 < found.errors[role] < 1 for role in ("unet", "vae_decoder"))  # rounded: far from fp32's 1e-6
    forged = shutil.copytree(report.path, tmp_path / "forged")
    path = forged / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["components"]["unet"]["operators"]["Conv"]["quantised_weights"] += 1
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ManifestError, match=r"`components\.unet\.operators\.Conv` is .* as the graph has it"):
        edgediff.verify(forged, against=sd1, quick=True)


def test_what_the_manifest_claims_is_measured_again(made):
    bundle = Bundle.open(made[0].path)
    reference = Reference.of(bundle)
    again = measure(Runner(bundle), reference, record=bundle.manifest.quality.reference)
    assert len(check_claims(bundle.manifest.quality, again)) > 10


def test_the_prompts_that_are_calibrated_with_are_ours_where_nothing_is_said(made):
    assert made[2] == [(CALIBRATION_PROMPTS, 2, ["unet", "vae_decoder"])]


def test_progress_is_told_for_every_stage_and_ends(made):
    last = {(event.stage, event.component): event for event in made[1]}
    assert {"calibrate", "quantise", "measure"} <= {stage for stage, _ in last}
    assert all(event.done == event.total for event in last.values())


def test_below_the_floor_nothing_new_is_left_and_the_worst_component_is_named(make, report, tmp_path):
    shutil.copytree(report.path, tmp_path / "bundle")
    before = (tmp_path / "bundle" / "edgediff.json").read_bytes()
    with pytest.raises(
        QualityError, match=r"mean PSNR against fp32 is \d+\.\d\d dB: expected at least 119 dB"
    ) as caught:
        make(tmp_path / "bundle", min_psnr=119)
    assert caught.value.worst in INT8
    assert f"`{caught.value.worst}`" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert (tmp_path / "bundle" / "edgediff.json").read_bytes() == before


def test_nothing_is_left_of_an_export_that_was_interrupted(make, traced_already, tmp_path):
    def interrupt(event):
        if event.stage == "measure":
            raise KeyboardInterrupt

    traced_already.clear()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "bundle", {"unet": "w4"}, interrupt, calibration_pictures=None)
    assert list(tmp_path.iterdir()) == []
    assert traced_already == ["text_encoder", "unet", "vae_decoder", "vae_encoder", "unet"]


def test_w4_needs_no_calibration_and_the_same_options_give_the_same_bundle(make, tmp_path):
    events = []
    first, second = (
        make(tmp_path / name, {"unet": "w4"}, events.append, calibration_pictures=None).manifest for name in ("a", "b")
    )
    assert first.components["unet"].operators["MatMulNBits"].quantised_weights > 0
    assert all(0.01 < check.error < 0.2 for check in first.components["unet"].checks)
    assert "calibrate" not in {event.stage for event in events}
    assert 15 < first.quality.components["unet"].snr_db < 60
    assert first.components == second.components
    assert first.quality.pictures == second.quality.pictures


def test_unmeasured_is_said_so(make, tmp_path):
    nothing_drawn = {"calibration_pictures": None, "evaluate": None, "trial_steps": None, "evaluation_pictures": 0}
    report = make(tmp_path / "bundle", {"unet": "w4"}, **nothing_drawn)
    assert report.manifest.quality is None
    assert not (report.path / "quality").exists()
    assert "--evaluation-pictures 0" in report.manifest.provenance.command


def test_a_file_to_calibrate_with_is_refused_where_nothing_is_calibrated(make, tmp_path):
    with pytest.raises(SettingError, match=r"`calibrate` is 'mine.txt': expected nothing, because no component is"):
        make(tmp_path / "bundle", {"unet": "w4"}, calibration_pictures=None, calibrate=Path("mine.txt"))
    assert list(tmp_path.iterdir()) == []


class FakeRunner:
    """A network whose calls take a known time on a clock of their own."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, list(seconds)

    @contextmanager
    def use(self, _role):
        yield self, "f32"

    def run(self, _output, _feeds):
        self.clock[0] += self.seconds.pop(0)


@pytest.mark.parametrize(("most_seconds", "expected"), [(1000.0, 1.5), (170.0, None)])
def test_latency_is_a_ratio_of_medians_of_five_calls_after_a_first_or_not_told(monkeypatch, most_seconds, expected):
    clock = [0.0]
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(measuring, "_MOST_SECONDS", most_seconds)
    probe = Probe("unet", {}, "out_sample", np.zeros(1), 0.0)
    reference = Reference(("a",), (0,), 1, 1.0, np.zeros((1, 1, 1, 3), np.uint8), (probe,), "")
    fp32, other = FakeRunner(clock, [90, 1, 2, 2, 2, 9]), FakeRunner(clock, [70, 3, 3, 3, 1, 3])
    assert measuring.latency_ratio(fp32, other, reference) == expected


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("int8", {"text_encoder": "w8", "unet": "int8", "vae_decoder": "int8", "vae_encoder": "int8"}),
        ("w4", {"text_encoder": "w8", "unet": "w4", "vae_decoder": "w8", "vae_encoder": "w8"}),
        ("mixed", {"text_encoder": "w8", "unet": "mixed", "vae_decoder": "int8", "vae_encoder": "int8"}),
        ("w8", {"text_encoder": "w8", "unet": "w8", "vae_decoder": "w8", "vae_encoder": "w8"}),
        (
            {"*": "int8", "text_encoder": "int8", "vae_decoder": "fp32"},
            {"text_encoder": "int8", "unet": "int8", "vae_decoder": "fp32", "vae_encoder": "int8"},
        ),
        ({"unet": "int8"}, {"text_encoder": "fp32", "unet": "int8", "vae_decoder": "fp32", "vae_encoder": "fp32"}),
    ],
)
def test_a_precision_as_a_whole_means_what_suits_each_component(precision, expected):
    duties = {"text_encoder": "condition", "unet": "network", "vae_decoder": "picture", "vae_encoder": "picture"}
    assert precision_by_role(precision, duties) == expected


@pytest.mark.parametrize("precision", ["bf16", {"unet": "bf16"}])
def test_a_precision_that_the_format_has_not_is_refused_with_a_hint(sd1, tmp_path, precision):
    with pytest.raises(
        SettingError, match=r"`precision` is 'bf16': expected one of .*, which are those of `onnx`"
    ) as got:
        export(sd1, tmp_path / "bundle", precision=precision)
    assert '`format="openvino"`' in got.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_what_a_killed_export_left_is_removed_by_the_next(sd1, tmp_path):
    code = (
        "import sys, time, edgediff_exporters as e\n"
        "def show(event):\n"
        "    if event.stage == 'trace' and event.component == 'text_encoder':\n"
        "        print('now', flush=True); time.sleep(600)\n"
        "e.export(sys.argv[1], sys.argv[2], precision='int8', on_progress=show)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(sd1), str(tmp_path / "bundle")], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"now\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".bundle.edgediff-new-")
    assert (left / ".work" / "fp32").is_dir()
    clean_up(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGTERM that can be caught")
def test_a_terminated_export_leaves_nothing(sd1, tmp_path):
    command = [sys.executable, "-c", "from edgediff.cli import main; main()"]
    options = ["--precision", "int8", "--calibration-pictures", "1", "--trial-steps", "1"]
    with subprocess.Popen(
        [*command, "export", str(sd1), str(tmp_path / "bundle"), *options], stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        while not list(tmp_path.glob(".bundle.edgediff-new-*/.work/fp32")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert list(tmp_path.iterdir()) == []
