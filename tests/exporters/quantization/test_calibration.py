from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgediff_exporters.quantization import calibration
from edgediff_exporters.quantization.calibration import record_calibration, spread
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.quality import CALIBRATION_PROMPTS, EVALUATION_PROMPTS, Runner

ROLES = ("text_encoder", "unet", "vae_decoder", "vae_encoder")
STEPS = 5


@pytest.fixture(scope="module")
def fp32():
    return Runner(Bundle.open(Path(__file__).parents[2] / "golden" / "bundle"))


def record(fp32, folder, **options):
    given = {"roles": ROLES, "prompts": ["an apple", "a tree"], "pictures": 3, "on_progress": lambda *_: None}
    return record_calibration(fp32, folder, steps=STEPS, width=16, height=16, **{**given, **options})


@pytest.fixture(scope="module")
def recorded(fp32, tmp_path_factory):
    return record(fp32, tmp_path_factory.mktemp("recorded") / "calls")


def test_every_component_has_its_calls(recorded):
    assert {role: len(calls) for role, calls in recorded.items()} == {
        "text_encoder": 3,
        "unet": 3 * STEPS,
        "vae_decoder": 3,
        "vae_encoder": 3,
    }
    assert {role: set(next(iter(calls))) for role, calls in recorded.items()} == {
        "text_encoder": {"input_ids"},
        "unet": {"sample", "timestep", "encoder_hidden_states"},
        "vae_decoder": {"latent_sample"},
        "vae_encoder": {"sample"},
    }


def test_all_noise_levels_and_both_branches_are_there(recorded):
    calls = list(recorded["unet"])
    levels = [float(call["timestep"].flat[0]) for call in calls]
    assert len(set(levels)) == STEPS
    assert levels == sorted(levels[:STEPS], reverse=True) * 3
    for call in calls:
        assert call["sample"].shape == (2, 4, 2, 2)
        np.testing.assert_array_equal(*call["sample"])
        assert np.abs(np.subtract(*call["encoder_hidden_states"])).max() > 0.1  # the prompt, and none


def test_a_subset_has_all_noise_levels_of_several_pictures(fp32, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "MOST_CALLS", 8)
    calls = record(fp32, tmp_path / "calls", pictures=4)["unet"]
    levels = [float(call["timestep"].flat[0]) for call in calls]
    assert len(levels) == 8
    assert len(set(levels)) == STEPS
    assert len(list((tmp_path / "calls").glob("unet-*"))) == 8


def test_pictures_differ_and_are_given_to_the_vae(recorded):
    for role, name in (("vae_decoder", "latent_sample"), ("vae_encoder", "sample"), ("unet", "sample")):
        arrays = [call[name] for call in recorded[role]]
        assert all(np.abs(arrays[0] - other).max() > 1e-3 for other in arrays[1:])
    assert next(iter(recorded["vae_encoder"]))["sample"].shape == (1, 3, 16, 16)
    assert np.abs(next(iter(recorded["vae_encoder"]))["sample"]).max() <= 1


def test_the_same_is_recorded_again(fp32, recorded, tmp_path):
    for role, calls in record(fp32, tmp_path / "calls").items():
        for call, before in zip(calls, recorded[role], strict=True):
            assert all(np.array_equal(call[name], before[name]) for name in before)


def test_it_can_be_gone_through_again_and_reads_one_call_at_a_time(fp32, tmp_path):
    calls = record(fp32, tmp_path / "calls", pictures=2, roles=["unet"])["unet"]
    first = [call["timestep"].item() for call in calls]
    assert [call["timestep"].item() for call in calls] == first
    running = iter(calls)
    next(running)
    for path in (tmp_path / "calls").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError):
        next(running)


def test_only_what_is_asked_for_is_written(fp32, tmp_path):
    recorded = record(fp32, tmp_path / "calls", roles=["vae_decoder"], pictures=2)
    assert set(recorded) == {"vae_decoder"}
    assert len(list((tmp_path / "calls").iterdir())) == 2


def test_progress_counts_pictures(fp32, tmp_path):
    events = []
    record(fp32, tmp_path / "calls", pictures=2, on_progress=lambda *event: events.append(event))
    assert events == [("calibration pictures", done, 2) for done in (0, 1, 2)]


def test_no_prompt_of_ours_is_calibrated_and_measured_with():
    assert not {*CALIBRATION_PROMPTS} & {*EVALUATION_PROMPTS}


@pytest.mark.parametrize(
    ("calls", "most", "picture", "expected"),
    [
        (5, 9, 3, [0, 1, 2, 3, 4]),
        (20, 4, 0, [0, 6, 13, 19]),
        (20, 1, 0, [0]),
        (20, 4, 1, [3, 8, 13, 18]),
        (20, 4, 2, [1, 6, 11, 16]),
    ],
)
def test_spread(calls, most, picture, expected):
    assert spread(calls, most, picture=picture) == expected


@pytest.mark.parametrize(("calls", "most"), [(20, 7), (50, 10), (4, 3), (1000, 16)])
def test_what_is_spread_is_in_order_and_over_pictures_everywhere(calls, most):
    seen = set()
    for picture in range(400):
        chosen = spread(calls, most, picture=picture)
        assert len(chosen) == len(set(chosen)) == most
        assert chosen == sorted(chosen)
        assert 0 <= chosen[0] < chosen[-1] < calls
        seen.update(chosen)
    assert seen == set(range(calls))
