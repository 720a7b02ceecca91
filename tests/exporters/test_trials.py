from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import edgediff
from edgediff_exporters.trials import TrialOptions, Trials, check_trials, plan_trials
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.quality import CALIBRATION_PROMPTS, EVALUATION_PROMPTS


def test_nothing_is_drawn_for_an_exact_export():
    assert plan_trials(TrialOptions(), calibrated=False, measured=False) == Trials()


def test_defaults_are_our_prompts():
    trials = plan_trials(TrialOptions(), calibrated=True, measured=True)
    assert (trials.calibration, trials.calibration_pictures) == (CALIBRATION_PROMPTS, 12)
    assert trials.evaluation == EVALUATION_PROMPTS
    assert (trials.steps, trials.width, trials.height) == (None, None, None)


def test_a_file_is_drawn_whole_and_numbers_of_pictures_are_taken(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("a\n\n b \nc\n")
    options = TrialOptions(
        calibrate=file, evaluate=["x", "y"], evaluation_pictures=3, trial_steps=4, trial_size=(64, 32), min_psnr=20
    )
    trials = plan_trials(options, calibrated=True, measured=True)
    assert (trials.calibration, trials.calibration_pictures) == (("a", "b", "c"), 3)
    assert trials.evaluation == ("x", "y", "x")
    assert (trials.steps, trials.width, trials.height, trials.min_psnr) == (4, 64, 32, 20)
    assert options.words() == (
        "--calibrate mine.txt --evaluate (2 prompts) --evaluation-pictures 3 --trial-steps 4 --trial-size 64x32 "
        "--min-psnr 20"
    ).replace("(2 prompts)", "(2_prompts)").replace(" ", "|").replace("_", " ").split("|")


def test_our_evaluation_prompts_give_way_to_a_users_calibration():
    trials = plan_trials(TrialOptions(calibrate=EVALUATION_PROMPTS[:3]), calibrated=True, measured=True)
    assert trials.evaluation == EVALUATION_PROMPTS[3:]


def test_pictures_may_be_none_at_all():
    trials = plan_trials(TrialOptions(evaluation_pictures=0), calibrated=True, measured=True)
    assert trials.evaluation == ()
    assert trials.calibration_pictures == 12


@pytest.mark.parametrize("name", ["calibrate", "calibration_pictures"])
def test_what_calibrates_nothing_is_refused(name):
    options = TrialOptions(**{name: {"calibrate": ["a"], "calibration_pictures": 3}[name]})
    with pytest.raises(SettingError, match=f"`{name}`.*expected nothing, because no component is calibrated"):
        plan_trials(options, calibrated=False, measured=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("evaluate", ["a"]),
        ("evaluation_pictures", 2),
        ("trial_steps", 2),
        ("trial_size", (64, 64)),
        ("min_psnr", 30.0),
        ("min_ssim", 0.9),
    ],
)
def test_what_measures_nothing_is_refused(name, value):
    with pytest.raises(SettingError, match=f"`{name}`.*an ONNX bundle in fp32 is what others are measured against"):
        plan_trials(TrialOptions(**{name: value}), calibrated=False, measured=False)


@pytest.mark.parametrize("given", [{"min_psnr": 30.0}, {"min_ssim": 0.9}, {"evaluate": ["a"]}])
def test_floors_and_prompts_are_refused_where_nothing_is_measured(given):
    with pytest.raises(
        SettingError, match=f"`{next(iter(given))}`.*`evaluation_pictures` is 0, which measures nothing"
    ):
        plan_trials(TrialOptions(evaluation_pictures=0, **given), calibrated=True, measured=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"calibration_pictures": 0}, "`calibration_pictures` is 0: expected a whole number of at least 1"),
        ({"calibration_pictures": 2.5}, "`calibration_pictures` is 2.5: expected a whole number"),
        ({"evaluation_pictures": -1}, "`evaluation_pictures` is -1: expected a whole number of at least 0"),
        ({"trial_steps": 0}, "`trial_steps` is 0: expected a whole number of at least 1"),
        ({"trial_steps": 10**9}, "`trial_steps` is 1000000000: expected a whole number of at most 10,000"),
        ({"calibration_pictures": 10**12}, "`calibration_pictures` is 10*: expected a whole number of at most 4,096"),
        ({"evaluation_pictures": 10**12}, "`evaluation_pictures` is 10*: expected a whole number of at most 4,096"),
        ({"calibrate": ["a"] * 5000}, "`calibration_pictures` is 5000: expected a whole number of at most 4,096"),
        ({"evaluate": ["a"] * 5000}, "`evaluation_pictures` is 5000: expected a whole number of at most 4,096"),
        ({"calibrate": 5}, "`calibrate` is 5: expected a text file, or at least one prompt"),
        ({"trial_size": (100_000, 64)}, r"`trial_size` is \(100000, 64\): expected sides of at most 16,384"),
        ({"trial_size": (16_384, 16_385)}, "expected sides of at most 16,384"),
        ({"trial_size": 5}, "`trial_size` is 5: expected two whole numbers of at least 1: width and height"),
        ({"trial_size": (1, 2, 3)}, "expected two whole numbers"),
        ({"trial_size": "64"}, "expected two whole numbers"),
        ({"trial_size": (64, 0)}, "expected two whole numbers of at least 1"),
        ({"trial_size": (64, 64.5)}, "expected two whole numbers"),
        ({"min_psnr": -3}, "`min_psnr` is -3"),
        ({"min_ssim": 1.5}, "`min_ssim` is 1.5"),
        ({"calibrate": []}, "`calibrate` is .*: expected a text file, or at least one prompt"),
        ({"calibrate": ["a", " "]}, "`calibrate`.*at least one prompt"),
        ({"calibrate": ["a"], "evaluate": ["b", " A "]}, "`evaluate` is ' A '.*not among the calibration prompts"),
    ],
)
def test_values_that_mean_nothing_are_refused(given, message):
    with pytest.raises(SettingError, match=message):
        plan_trials(TrialOptions(**given), calibrated=True, measured=True)


@pytest.mark.parametrize("name", ["calibrate", "evaluate"])
def test_files_of_prompts_that_are_none_are_refused(tmp_path, name):
    (tmp_path / "empty.txt").write_text("\n  \n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for file, message in (("empty.txt", "at least one prompt"), ("none.txt", "readable"), ("binary.txt", "readable")):
        with pytest.raises(SettingError, match=f"`{name}`.*{message}"):
            plan_trials(TrialOptions(**{name: tmp_path / file}), calibrated=True, measured=True)


@pytest.mark.parametrize("given", [{"trial_steps": 4}, {"trial_size": (64, 64)}])
def test_how_to_draw_is_refused_where_nothing_is_drawn(given):
    options = TrialOptions(evaluation_pictures=0, **given)
    with pytest.raises(SettingError, match=f"`{next(iter(given))}`.*nothing, because nothing is drawn"):
        plan_trials(options, calibrated=False, measured=True)
    assert plan_trials(options, calibrated=True, measured=True).calibration_pictures > 0


RECIPE = Bundle.open(Path(edgediff.__file__).parent / "models" / "emoji").manifest


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        (Trials(evaluation=("a",), width=100, height=64), r"`trial_size` is '100x64': .*\(`width` is 100: .*multiple"),
        (Trials(calibration=("a",), calibration_pictures=1, width=64, height=3), "`trial_size` is '64x3'"),
        (
            Trials(evaluation=("a",) * 4096, width=512, height=512),
            "`evaluation_pictures` is '4,096 of 512x512': expected at most 268,435,456 pixels",
        ),
    ],
)
def test_what_the_model_does_not_draw_is_refused_before_it_is_exported(trials, words):
    with pytest.raises(SettingError, match=words):
        check_trials(trials, RECIPE.recipe, RECIPE.defaults)


def test_what_the_model_draws_is_taken():
    check_trials(Trials(evaluation=("a",) * 12, width=64, height=64), RECIPE.recipe, RECIPE.defaults)
    check_trials(Trials(width=100, height=100), RECIPE.recipe, RECIPE.defaults)  # nothing is drawn
