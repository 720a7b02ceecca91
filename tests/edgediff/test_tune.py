"""``edgediff tune`` and ``edgediff.tune``: what is searched, measured, written, proved; what leaves all as it was."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import edgediff
from edgediff import tuning
from edgediff_runtimes.bundle import TenthSpread
from edgediff_runtimes.errors import BundleError, ManifestError, SettingError, VerificationError
from edgediff_runtimes.tuning.proving import Pictures
from edgediff_runtimes.tuning.runs import Runs
from edgediff_runtimes.tuning.searching import GapSchedule, worst_tenth

TRIAL = {"calibrate": ["a red apple", "the cat"], "evaluate": ["a blue car", "the red cat"], "steps": 12, "trials": 12}


@pytest.fixture
def tunable(bundle_copy, monkeypatch):
    """A bundle that can be tuned, and measured with as few pictures as a quick test draws."""
    monkeypatch.setattr(tuning, "FEWEST_MEASURED", 2)
    return _in_twelve_steps(bundle_copy)


def _in_twelve_steps(folder):
    """The tiny bundle with twelve steps by default: one of a few steps is taken for a distilled model."""
    path = folder / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["defaults"]["steps"] = 12
    path.write_text(json.dumps(values), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def tuned_once(bundle, tmp_path_factory):
    """A bundle that was tuned; not to be written to."""
    folder = _in_twelve_steps(shutil.copytree(bundle, tmp_path_factory.mktemp("tuned") / "bundle"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tuning, "FEWEST_MEASURED", 2)
        edgediff.tune(folder, min_psnr=20, **TRIAL)
    edgediff.verify(folder)
    return folder


@pytest.fixture
def tuned(tuned_once, tmp_path):
    """A copy of it to do harm to."""
    return shutil.copytree(tuned_once, tmp_path / "tuned")


def _edit(folder, change):
    path = folder / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    change(values["reuse"][0])
    path.write_text(json.dumps(values), encoding="utf-8")


def test_a_schedule_is_found_measured_written_and_proved(tunable):
    seen = []
    found = edgediff.tune(tunable, min_psnr=30, min_worst=25, on_progress=lambda *event: seen.append(event), **TRIAL)
    assert found.proof.psnr_db.mean >= 30
    assert found.proof.psnr_db.worst_tenth >= 25
    assert found.tried <= 12
    assert (found.proof.engine, found.proof.device, found.proof.execution) == ("onnxruntime", "cpu", "f32")
    assert {what for what, _, _ in seen} >= {"schedules tried"}
    with edgediff.load(tunable) as pipeline:
        assert pipeline.bundle.manifest.reuse == (found.proof,)
        result = pipeline("a red apple", seed=9, reuse="auto")
    assert (result.reuse.schedule, result.reuse.made) == ("proved", len(found.proof.schedule.made))
    figures = edgediff.verify(tunable).figures
    assert [figure.measured for figure in figures if figure.summary] == [
        figure.claimed for figure in figures if figure.summary
    ]
    assert sum(figure.summary for figure in figures) == 5  # PSNR, SSIM: mean and worst tenth; the prediction error
    assert len(figures) == 5 + 2 * 2


def test_what_is_tuned_again_takes_the_place_of_the_first_also_with_more_calls(tunable):
    few = {**TRIAL, "trials": 4}
    other = edgediff.tune(tunable, min_psnr=20, **{**few, "steps": 11}).proof
    first = edgediff.tune(tunable, min_psnr=20, **few).proof
    again = edgediff.tune(tunable, min_psnr=first.psnr_db.mean + 5, min_worst=20, **few).proof
    assert len(again.schedule.made) > len(first.schedule.made)
    assert edgediff.Bundle.open(tunable).manifest.reuse == (other, again)
    with edgediff.load(tunable) as pipeline:
        assert pipeline("a red apple", seed=9, reuse="auto").reuse.made == len(again.schedule.made)


def _judged(monkeypatch, figures):
    """Take these figures, mean and worst tenth by calls and by whether the search sees the pictures, for measured."""
    prove = Pictures.prove

    def judged(self, schedule, *given):
        db = figures(len(schedule.made), self.subjects[0].seed >= 1_000_000)
        return replace(prove(self, schedule, *given), psnr_db=TenthSpread(*db))

    monkeypatch.setattr(Pictures, "prove", judged)


def test_more_calls_are_tried_where_what_held_in_the_search_does_not_hold_elsewhere(tunable, monkeypatch):
    _judged(monkeypatch, lambda calls, searched: (50.0, 50.0) if searched or calls >= 10 else (20.0, 10.0))
    found = edgediff.tune(tunable, min_psnr=30, **TRIAL)
    assert len(found.proof.schedule.made) == 10
    assert {len(one.schedule.made) for one in found.missed} >= {7, 9}


@pytest.mark.parametrize(
    ("figures", "trials", "named", "nearest"),
    [
        (lambda calls, _: (20.0 + calls, 12.0 + calls), 2, "min_psnr", "29.0 and 21.0 dB with 9 of 12 calls"),
        (lambda calls, _: (40.0 + calls, 12.0 + calls), 2, "min_worst", "49.0 and 21.0 dB with 9 of 12 calls"),
        (lambda _, searched: (60, 60) if searched else (35, 12), 1, "min_worst", "35.0 and 12.0 dB with 7 of 12 calls"),
    ],
)
def test_what_few_trials_do_not_find_is_told_as_that(tunable, monkeypatch, figures, trials, named, nearest):
    _judged(monkeypatch, figures)
    with pytest.raises(SettingError) as caught:
        edgediff.tune(tunable, min_psnr=34, **{**TRIAL, "trials": trials})
    assert caught.value.setting == named
    assert (
        f"`{named}` is 34: expected less: of the schedules that were tried ({trials}) none holds 34 dB in the mean and "
        f"34 dB in the worst tenth; the nearest had {nearest}"
    ) in str(caught.value)
    assert "more `trials` may find one" in caught.value.hint


def test_the_run_of_all_calls_is_drawn_once_for_each_picture(tunable, monkeypatch):
    full = Counter()
    stream_with = edgediff.Pipeline.stream_with

    def counted(self, between, prompt, **options):
        full[prompt, options["seed"]] += all(order is None for order in between.schedule.orders)
        return stream_with(self, between, prompt, **options)

    monkeypatch.setattr(edgediff.Pipeline, "stream_with", counted)
    edgediff.tune(tunable, min_psnr=30, **TRIAL)
    assert len(full) == 2 + 2
    assert set(full.values()) == {1}


def test_few_prompts_are_measured_with_several_seeds_and_not_with_less(bundle_copy):
    tunable = _in_twelve_steps(bundle_copy)
    one = {**TRIAL, "evaluate": ["a blue car"], "trials": 1}
    with pytest.raises(SettingError, match="`evaluation_pictures` is 9: expected at least 10"):
        edgediff.tune(tunable, min_psnr=20, evaluation_pictures=9, **one)
    found = edgediff.tune(tunable, min_psnr=5, **one)
    assert [(one.prompt, one.seed) for one in found.proof.pictures] == [("a blue car", seed) for seed in range(10)]


def test_shipped_models_and_those_of_the_hub_are_not_written_to(tunable, monkeypatch, tmp_path):
    (shipped,) = (Path(edgediff.__file__).parent / "models").glob("emoji")
    before = (shipped / "edgediff.json").read_bytes()
    monkeypatch.setattr(Runs, "of", lambda *_args: pytest.fail("nothing is to be drawn"))
    for bundle in ("emoji", shipped):
        with pytest.raises(BundleError, match="ships inside the package: expected a bundle of your own") as caught:
            edgediff.tune(bundle, min_psnr=30, **TRIAL)
        assert caught.value.hint == "copy the directory and tune the copy"
    assert (shipped / "edgediff.json").read_bytes() == before
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BundleError, match="lies in the hub's cache: expected a bundle of your own"):
        edgediff.tune(tunable, min_psnr=30, **TRIAL)


def _claim(proof, psnr_db):
    """What a forger does who knows that the summary is held against the pictures."""
    for picture in proof["pictures"]:
        picture["psnr_db"] = psnr_db
    proof["psnr_db"] = {"mean": psnr_db, "worst_tenth": psnr_db}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda proof: proof["psnr_db"].update(mean=proof["psnr_db"]["mean"] + 1), ManifestError),
        (lambda proof: proof["psnr_db"].update(worst_tenth=proof["psnr_db"]["worst_tenth"] + 1), ManifestError),
        (lambda proof: proof["ssim"].update(mean=proof["ssim"]["mean"] - 0.01), ManifestError),
        (lambda proof: proof["ssim"].update(worst_tenth=proof["ssim"]["worst_tenth"] - 0.01), ManifestError),
        (lambda proof: _claim(proof, 60.0), VerificationError),
        (lambda proof: proof.update(error=2 * proof["error"]), VerificationError),
        (lambda proof: proof.update(error=proof["error"] / 2), VerificationError),
    ],
)
def test_a_false_claim_is_caught(tuned, change, error):
    _edit(tuned, change)
    with pytest.raises(error, match=r"reuse\.(psnr_db|ssim)|PSNR with [0-9]+ of 12 calls|prediction error with"):
        edgediff.verify(tuned)


def test_a_claim_is_measured_again_in_the_execution_that_it_is_of(tuned):
    _edit(tuned, lambda proof: proof.update(execution="bf16"))
    with pytest.raises(SettingError, match="`execution` is 'bf16': expected f32"):
        edgediff.verify(tuned)


def test_where_no_schedule_holds_the_floors_nothing_is_written(tunable):
    before = (tunable / "edgediff.json").read_bytes()
    with pytest.raises(SettingError, match=r"`min_psnr` is 119: expected less: .* of 12 calls"):
        edgediff.tune(tunable, min_psnr=119, **TRIAL)
    assert (tunable / "edgediff.json").read_bytes() == before


@pytest.mark.parametrize("trials", [1, 4])
def test_no_more_schedules_are_tried_than_asked_for(tunable, trials, monkeypatch):
    drawn = []
    monkeypatch.setattr(Runs, "latents", _counted(Runs.latents, drawn))
    monkeypatch.setattr(Runs, "picture", _counted(Runs.picture, drawn))
    try:
        edgediff.tune(tunable, min_psnr=30, **{**TRIAL, "trials": trials, "evaluate": ["a blue car"]})
    except SettingError as error:
        assert error.setting in ("min_psnr", "min_worst")  # noqa: PT017 - so few trials may find nothing
    assert len({schedule for schedule in drawn if None in schedule and any(o is not None for o in schedule)}) <= trials


def _counted(draw, drawn):
    def counted(self, subject, schedule):
        drawn.append(schedule.orders)
        return draw(self, subject, schedule)

    return counted


def test_a_manifest_that_cannot_be_written_is_told_before_anything_is_drawn(tunable, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(edgediff.targets.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(Runs, "of", lambda *_args: pytest.fail("nothing is to be drawn"))
    with pytest.raises(SettingError, match="Read-only file system"):
        edgediff.tune(tunable, min_psnr=30, **TRIAL)


def test_a_schedule_of_another_length_is_caught(tuned):
    _edit(tuned, lambda proof: proof["orders"].append(None))
    with pytest.raises(BundleError, match="12 entries, the network calls of such a run"):
        edgediff.verify(tuned)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"min_psnr": 121}, "min_psnr"),
        ({"min_psnr": 30, "min_worst": -1}, "min_worst"),
        ({"min_psnr": 30, "sampler": "euler_a"}, "sampler"),
        ({"min_psnr": 30, "steps": 3}, "steps"),
        ({"min_psnr": 30, "trials": 0}, "trials"),
        ({"min_psnr": 30, "evaluate": ["The cat"]}, "evaluate"),
        ({"min_psnr": 30, "calibrate": []}, "calibrate"),
        ({"min_psnr": 30, "evaluation_pictures": -1}, "evaluation_pictures"),
        ({"min_psnr": 30, "evaluation_pictures": 0}, "evaluation_pictures"),
        ({"min_psnr": 30, "evaluation_pictures": 1}, "evaluation_pictures"),
        ({"min_psnr": 30, "calibration_pictures": 0}, "calibration_pictures"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tunable, options, named):
    before = (tunable / "edgediff.json").read_bytes()
    with pytest.raises(SettingError, match=f"`{named}` is "):
        edgediff.tune(tunable, **{**TRIAL, **options})
    assert (tunable / "edgediff.json").read_bytes() == before


def test_models_of_few_steps_are_refused(bundle_copy):
    with pytest.raises(SettingError, match="this model draws in 3 steps"):
        edgediff.tune(bundle_copy, min_psnr=30, **TRIAL)


def test_a_bundle_without_a_manifest_is_refused(bundle_copy):
    (bundle_copy / "edgediff.json").unlink()
    with pytest.raises(BundleError):
        edgediff.tune(bundle_copy, min_psnr=30, **TRIAL)


def test_what_is_ended_half_way_leaves_the_manifest_as_it_was(tunable):
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tunable.iterdir())

    def end(what, _done, _total):
        if what == "schedules tried":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        edgediff.tune(tunable, min_psnr=30, on_progress=end, **TRIAL)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in tunable.iterdir()) == before


def test_the_command(command, tunable, tmp_path):
    for name in ("calibrate", "evaluate"):
        (tmp_path / name).write_text("\n".join(TRIAL[name]), encoding="utf-8")
    files = [part for name in ("calibrate", "evaluate") for part in (f"--{name}", tmp_path / name)]
    outcome = command("tune", tunable, "--min-psnr", "20", "--trials", "12", *files)
    assert outcome.code == 0, outcome.err
    assert "of 12" in outcome.out
    drawn = command("run", "a", "-m", tunable, "-o", tmp_path / "x.png", "--seed", "1", "--reuse", "auto", "--json")
    (report,) = json.loads(drawn.out)
    assert (report["settings"]["reuse"], report["reuse"]["schedule"]) == ("auto", "proved")
    counted = command("run", "a", "-m", tunable, "-o", tmp_path / "y.png", "--seed", "1", "--reuse", "5", "--json")
    assert json.loads(counted.out)[0]["reuse"]["made"] == 5
    refused = command("run", "a", "-m", tunable, "-o", tmp_path / "z.png", "--reuse", "many")
    assert refused.code == 1
    assert (
        "`reuse` is 'many': expected `auto`, `off`, a whole number of at least 3, or the orders of a schedule"
        in refused.err
    )
    assert "of 12" in command("inspect", tunable).out


def test_the_command_needs_a_floor(command, tunable):
    outcome = command("tune", tunable)
    assert outcome.code == 2
    assert "--min-psnr" in outcome.err


def test_candidates():
    even = GapSchedule.even(5, 12)
    assert even.made == (0, 1, 4, 8, 11)
    assert even.schedule.orders == (None, None, 1, 1, None, 1, 1, 1, None, 1, 1, None)
    near = [*even.neighbours()]
    assert {one.made for one in near} == {
        (0, 1, 3, 8, 11),
        (0, 1, 5, 8, 11),
        (0, 1, 4, 7, 11),
        (0, 1, 4, 9, 11),
        even.made,
    }
    assert {one.gaps for one in near if one.made == even.made} == {
        (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 2, 1), (1, 1, 1, 0), (1, 1, 1, 2),
    }  # fmt: skip
    assert all((one.made[:2], one.made[-1]) == ((0, 1), 11) for one in near)


def test_candidates_without_one_call():
    start = GapSchedule((0, 1, 4, 8, 11), (1, 0, 2, 1))
    assert [*start.fewer()] == [GapSchedule((0, 1, 8, 11), (1, 0, 1)), GapSchedule((0, 1, 4, 11), (1, 0, 2))]
    assert [*GapSchedule.even(3, 12).fewer()] == []


def test_the_worst_tenth():
    assert worst_tenth([3.0]) == 3.0
    assert worst_tenth([float(i) for i in range(20)]) == 0.5
    assert worst_tenth([float(i) for i in range(21)]) == 1.0
