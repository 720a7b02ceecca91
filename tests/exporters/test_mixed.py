"""Precision ``mixed`` from end to end, on a tiny model."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

pytest.importorskip("torch")

from edgediff_exporters import TrialOptions, export
from edgediff_exporters.candidate import quantised
from edgediff_exporters.mixing import Workshop, mix
from edgediff_exporters.precision import precision_by_role
from edgediff_exporters.quantization import quantiser_for
from edgediff_exporters.quantization.calibration import record_calibration
from edgediff_exporters.quantization.search import Budget
from edgediff_exporters.staging import staged
from edgediff_exporters.trials import plan_trials
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.quality import Runner

ASKED = 35.0  # dB; more than all-int8 has
ROLES = ("text_encoder", "unet", "vae_decoder", "vae_encoder")
OPTIONS = TrialOptions(calibration_pictures=2, evaluation_pictures=2, trial_steps=2, search_minutes=4, min_psnr=ASKED)


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def mixed(sd1, steps, counted_time, tmp_path_factory):  # noqa: ARG001 - for what it does
    target = tmp_path_factory.mktemp("mixed") / "mixed"
    return export(sd1, target, precision="mixed", trials=OPTIONS, on_progress=steps.append)


def test_layers_are_lifted_until_the_asked_psnr_holds(mixed):
    quality = mixed.manifest.quality
    search = quality.search
    first, chosen = search.points[0], search.points[search.chosen]
    assert first.lifted == ()
    assert first.psnr_db < ASKED <= chosen.psnr_db
    assert chosen.lifted
    assert quality.psnr_db.mean >= ASKED  # on the gate's own pictures, which the search has not seen
    assert all(point.latency_ratio > 0 for point in search.points)


def test_the_graph_that_is_kept_is_the_chosen_one(mixed, report):
    chosen = mixed.manifest.quality.search.points[mixed.manifest.quality.search.chosen]
    parts = mixed.manifest.components
    assert parts["unet"].precision == "mixed"
    assert [parts[role].precision for role in ROLES if role != "unet"] == ["w8", "int8", "int8"]
    names = [layer.name for layer in quantiser_for("onnx").layers(report.path / "unet" / "model.onnx")]
    assert set(chosen.lifted) < set(names)
    counts = parts["unet"].operators.values()
    assert sum(count.quantised_activations for count in counts) == len(names) - len(chosen.lifted)
    assert chosen.bytes == sum(file.bytes for part in parts.values() for file in part.files)


def test_the_bundle_is_whole_and_what_was_tried_is_gone(mixed):
    Bundle.open(mixed.path).check_hashes()
    assert list(Bundle.open(mixed.path).manifest.components) == list(mixed.manifest.components)
    assert sorted(path.name for path in (mixed.path / "unet").iterdir()) == ["config.json", "model.onnx"]
    assert not [path for path in mixed.path.iterdir() if path.name.startswith(".")]


@pytest.mark.usefixtures("mixed")
def test_the_search_tells_its_time(steps):
    told = [event for event in steps if event.stage == "search"]
    assert {(event.component, event.total) for event in told} == {("unet", 240)}
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert told[-1].done == told[-1].total


@pytest.fixture(scope="module")
def workshop(report, tmp_path_factory):
    """The fp32 bundle, in which the network is to be mixed: ``folder -> Workshop``."""
    calls = tmp_path_factory.mktemp("calls") / "calls"
    recorded = record_calibration(
        Runner(Bundle.open(report.path)), calls, roles=["unet"], prompts=["a dog"], pictures=1, steps=2,
        on_progress=lambda *_: None,
    )  # fmt: skip
    quantiser = quantiser_for("onnx")

    def made(folder):
        fp32 = Bundle.open(report.path)
        shutil.copytree(report.path, folder, dirs_exist_ok=True)
        (folder / ".work").mkdir()
        return Workshop(
            role="unet",
            layers=quantiser.layers(fp32.graph("unet").path),
            write=partial(quantised, quantiser, fp32, "unet", folder, precision="mixed", feeds=recorded["unet"]),
            fp32=fp32,
            others={role: part for role, part in fp32.manifest.components.items() if role != "unet"},
            folder=folder,
            work=folder / ".work",
        )

    return made


@pytest.fixture(scope="module")
def trials():
    return plan_trials(OPTIONS, calibrated=True, measured=True, searched=True)


@pytest.mark.parametrize("after", [1, 20])
def test_ended_in_mid_search_nothing_is_left(workshop, trials, tmp_path, after):
    told = []

    def interrupt(event):
        told.append(event)
        if len(told) > after:
            raise KeyboardInterrupt

    def interrupted():
        with staged(tmp_path / "bundle", overwrite=False) as folder:
            mix(workshop(folder), trials, interrupt)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert told[-1].stage == "search"
    assert list(tmp_path.iterdir()) == []


def test_without_time_the_network_is_all_int8(workshop, trials, tmp_path):
    folder = tmp_path / "bundle"
    component, search = mix(workshop(folder), trials, lambda _: None, budget=Budget.start(0.0))
    assert [point.lifted for point in search.points] == [()]
    assert component.precision == "mixed"
    assert [path.name for path in (folder / ".work").iterdir()] == []
    assert (folder / "unet" / "model.onnx").stat().st_size == component.files[0].bytes


@pytest.mark.parametrize("role", ["vae_decoder", "text_encoder"])
def test_a_component_without_a_search_is_refused(role):
    duties = {"text_encoder": "condition", "unet": "network", "vae_decoder": "picture", "vae_encoder": "picture"}
    with pytest.raises(SettingError, match=rf"{role}=mixed.*`unet` alone"):
        precision_by_role({"*": "int8", role: "mixed"}, duties)
