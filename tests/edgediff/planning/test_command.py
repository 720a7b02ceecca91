"""``edgediff plan`` and ``edgediff run --plan`` from the outside."""

from __future__ import annotations

import dataclasses
import json

import pytest
from PIL import Image

import edgediff
from edgediff.planning import measuring
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import BudgetError, SettingError

ENGINE = ("--engine", "onnxruntime")
UNKNOWN = json.dumps(
    {
        "format": "edgediff-plan",
        "format_version": "1.0",
        "bundle": {"name": "a", "path": "a", "fingerprint": "0"},
        "load": {"bundle": "x"},
        "call": {},
    }
)


def test_every_way_of_saving_memory_is_measured(planned):
    _, plan, seen = planned
    assert [(event.done, event.total) for event in seen] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [event.last is None for event in seen] == [True, False, False, False]
    assert [one.variant.values["residency"] for one in plan.measured] == ["resident", "sequential", "sequential"]
    assert not any(one.kept for one in plan.measured)
    for one in plan.measured:
        assert one.figures.parts.keys() == {"text_encoder", "unet", "vae_decoder"}
        assert one.figures.executions["unet"] == "f32"
        assert one.figures.memory_bytes > 10**7
    assert [one.psnr_db for one in plan.candidates] == [120.0] * 3
    assert plan.excluded == ()


def test_a_report_has_all_of_it(planned):
    folder, plan, _ = planned
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["format"] == "edgediff-plan-report"
    assert report["budget"] == {"memory": 8 * 10**9, "latency": 60.0, "min_psnr": None, "prefer": "quality"}
    assert report["fits"] is True
    assert len(report["rejected"]) == 2
    assert len(report["measured"]) == 3
    assert report["plan"]["settings"]["load"] == plan.load_options
    assert {trade["name"] for trade in report["trades"]} <= {"residency", "low_memory"}


def test_a_plan_draws(planned, bundle):
    _, plan, _ = planned
    assert plan.bundle == str(bundle.resolve())
    with edgediff.load(plan.bundle, **plan.load_options) as pipeline:
        result = pipeline("a red apple", seed=1, **plan.call_options)
    assert result.residency == plan.choice.plan.values["residency"]


@pytest.mark.usefixtures("planned")
def test_figures_are_kept_and_files_written(bundle, command, tmp_path):
    targets = ("--json", tmp_path / "r.json", "--plot", tmp_path / "r.svg", "--apply", tmp_path / "a.json")
    done = command("plan", bundle, *ENGINE, "--prefer", "memory", *targets)
    assert done.code == 0
    assert done.err.count("(measured before)") == 3
    assert done.out.startswith("Plan: bundle, onnxruntime, ")
    for title in ("component ", "What each setting does", "Not chosen"):
        assert title in done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "r.json", "r.svg"]
    svg = (tmp_path / "r.svg").read_text("utf-8")
    assert svg.startswith("<svg")
    assert svg.count("<circle") == 3 + 1  # every candidate, and a ring around the plan
    again = command("plan", bundle, *ENGINE, "--apply", tmp_path / "a.json")
    assert (again.code, again.out) == (1, "")
    assert "is there already" in again.err


@pytest.mark.usefixtures("planned")
def test_an_impossible_budget_is_refused_with_the_nearest_plan(bundle, command, tmp_path):
    done = command("plan", bundle, *ENGINE, "--memory", "1MB", "--apply", tmp_path / "a.json")
    assert done.code == 1
    assert done.out.startswith("Nearest plan: bundle, onnxruntime, ")
    assert "over budget: " in done.out
    assert "error: no plan keeps to 1 MB: the nearest is bundle, onnxruntime, " in done.err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BudgetError) as error:
        edgediff.plan(bundle, engine="onnxruntime", memory="1MB")
    assert error.value.nearest.choice.fits is False


@pytest.mark.usefixtures("planned")
def test_a_report_may_go_to_stdout(bundle, command):
    done = command("plan", bundle, *ENGINE, "--json", "-")
    assert json.loads(done.out)["plan"]["bundle"] == "bundle"


def test_run_takes_bundle_and_settings_from_a_plan(planned, bundle, command, tmp_path):
    folder, plan, _ = planned
    done = command("run", "a", "--plan", folder / "plan.json", "--seed", "1", "--json", "-o", tmp_path / "a.png")
    assert done.code == 0
    (report,) = json.loads(done.out)
    assert report["residency"] == plan.choice.plan.values["residency"]
    assert {part["engine"] for part in report["computed"].values()} == {"onnxruntime"}
    plain = command("run", "a", "-m", bundle, "--seed", "1", "-o", tmp_path / "b.png")
    assert plain.code == 0
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.png") as b:
        assert a.tobytes() == b.tobytes()


def test_the_command_line_goes_before_a_plan(planned, command, tmp_path):
    folder, _, _ = planned
    values = json.loads((folder / "plan.json").read_text("utf-8"))
    values["load"]["residency"], values["call"] = "sequential", {"steps": 2}
    (tmp_path / "p.json").write_text(json.dumps(values), "utf-8")
    plan = ("--plan", tmp_path / "p.json", "--json", "--overwrite", "-o", tmp_path / "a.png")
    (taken,) = json.loads(command("run", "a", *plan).out)
    assert (taken["residency"], taken["settings"]["steps"]) == ("sequential", 2)
    (given,) = json.loads(command("run", "a", *plan, "--residency", "resident", "--steps", "3").out)
    assert (given["residency"], given["settings"]["steps"]) == ("resident", 3)


@pytest.fixture
def reusing(tuned, tmp_path):
    """Options of ``edgediff run`` that draw by a plan of the tuned bundle with six calls, of the two that it proves."""
    bundle = Bundle.open(tuned)
    known = {"name": "tuned", "path": str(tuned), "fingerprint": bundle.fingerprint}
    (orders,) = (list(proof.orders) for proof in bundle.manifest.reuse if len(proof.schedule.made) == 6)
    call = {"reuse": orders}
    values = {"format": "edgediff-plan", "format_version": "1.0", "bundle": known, "load": {}, "call": call}
    (tmp_path / "p.json").write_text(json.dumps(values), "utf-8")
    return "--plan", tmp_path / "p.json", "--json", "--overwrite", "-o", tmp_path / "a.png"


@pytest.mark.parametrize(
    "own", [(), ("--steps", "20"), ("--guidance", "5", "--seed", "1", "--negative", "b"), ("-n", "2")]
)
def test_a_plan_draws_by_its_schedule_also_where_its_own_values_are_repeated(reusing, command, own):
    done = command("run", "a", *reusing, *own)
    assert "all network calls are made" not in done.err
    for report in json.loads(done.out):
        assert report["computed"]["unet"]["calls"] == 6
        assert report["reuse"]["schedule"] == "proved"


@pytest.mark.filterwarnings("default")  # the command shows them
def test_with_other_settings_than_the_plans_all_calls_are_made(reusing, command):
    other = command("run", "a", *reusing, "--steps", "12")
    assert "all network calls are made" in other.err
    (full,) = json.loads(other.out)
    assert full["computed"]["unet"]["calls"] == 12


@pytest.mark.filterwarnings("default")
def test_a_schedule_that_the_bundle_proves_no_more_is_not_drawn(reusing, tuned, command):
    manifest = Bundle.open(tuned).manifest
    (kept,) = (proof for proof in manifest.reuse if len(proof.schedule.made) == 4)
    text = dataclasses.replace(manifest, reuse=(kept,)).to_json()
    before = (tuned / "edgediff.json").read_text("utf-8")
    try:
        (tuned / "edgediff.json").write_text(text, "utf-8")
        done = command("run", "a", *reusing)
    finally:
        (tuned / "edgediff.json").write_text(before, "utf-8")
    assert "the bundle does not prove the plan's reuse" in done.err
    (full,) = json.loads(done.out)
    assert full["computed"]["unet"]["calls"] == 20


def test_a_plan_of_another_bundle_is_refused(planned, bundle_copy, command, tmp_path):
    folder, _, _ = planned
    manifest = bundle_copy / "edgediff.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"steps": ', '"steps": 1'), "utf-8")
    target = tmp_path / "out" / "a.png"
    done = command("run", "a", "-m", bundle_copy, "--plan", folder / "plan.json", "-o", target)
    assert (done.code, done.out) == (1, "")
    assert "is 'of bundle (" in done.err
    assert "expected a plan of copy (" in done.err
    assert not target.exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "p.json, which cannot be read (No such file or directory)"),
        ("no json", "p.json, which cannot be read as JSON ("),
        ("[1]", "p.json, which cannot be read as JSON (it is an array"),
        ("{}", "another file"),
        ('{"format": "edgediff-plan", "format_version": "2.0"}', "of version 2.0"),
        ('{"format": "edgediff-plan", "format_version": "1.0"}', "without its settings"),
        (UNKNOWN, "with `bundle`"),
    ],
)
def test_what_is_no_plan_is_refused(command, tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "p.json").write_text(text, "utf-8")
    done = command("run", "a", "--plan", tmp_path / "p.json")
    assert (done.code, done.out) == (1, "")
    assert sentence in done.err


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"memory": "much"}, "memory"),
        ({"at_most_s": 0}, "at_most_s"),
        ({"width": 64}, "height"),
        ({"steps": 0}, "steps"),
        ({"steps": 3.0}, "steps"),
        ({"steps": (20, "10")}, "steps"),
        ({"steps": True}, "steps"),
        ({"engine": "tensorrt"}, "engine"),
        ({"engine": {"unet": "onnxruntime"}}, "engine"),
        ({"device": 3}, "device"),
        ({"execution": ("f32", None)}, "execution"),
    ],
)
def test_what_cannot_be_applied_is_refused_before_anything_is_measured(bundle, options, setting):
    with pytest.raises(SettingError) as error:
        edgediff.plan(bundle, on_progress=lambda _: pytest.fail("measured"), **options)
    assert error.value.setting == setting


def test_no_bundle_is_refused():
    with pytest.raises(SettingError, match="`bundles` is 'none': expected at least one"):
        edgediff.plan(())


@pytest.mark.parametrize("bundles", [3, None, (3,)])
def test_what_is_no_bundle_is_refused(bundles):
    with pytest.raises(SettingError, match=r"`bundles` is .*: expected "):
        edgediff.plan(bundles)


def test_a_device_may_be_by_component_as_in_loading(planned, bundle, monkeypatch, tmp_path):
    _, plan, _ = planned
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path))
    monkeypatch.setattr(measuring, "_measured", lambda *_: plan.measured[0].figures)
    placed = edgediff.plan(bundle, engine="onnxruntime", device={"unet": "cpu"}, execution={"unet": "f32"})
    assert placed.load_options["execution"] == {"unet": "f32"}
    with edgediff.load(placed.bundle, **placed.load_options):
        pass


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--memory", "0"), "'0' is no amount of memory: expected a number of bytes"),
        (("--memory", "much"), "'much' is no amount of memory: expected a number of bytes"),
        (("--latency", "0"), "'0' is no such time: expected a time above 0"),
        (("--json", "a.json", "--apply", "./a.json"), "--json and --apply name the same file: expected two"),
    ],
    ids=" ".join,
)
def test_usage_errors_are_told_before_anything_is_measured(bundle, command, monkeypatch, tmp_path, options, sentence):
    monkeypatch.chdir(tmp_path)
    done = command("plan", bundle, *options)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert list(tmp_path.iterdir()) == []
