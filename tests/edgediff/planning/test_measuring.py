"""What is measured, kept, and taken again; most of it with made-up answers of the processes that measure."""

from __future__ import annotations

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest

import edgediff
from edgediff.planning import measuring
from edgediff_runtimes.compiled_cache import cache_folder
from edgediff_runtimes.errors import EngineError

# What a process that measures answers.
SHORT = {
    "result": {
        "runs": [
            {
                "steps_s": [1.5, 1.0, 1.0],
                "total_s": 8.0,
                "loads_s": {"unet": 2.0},
                "calls_s": {"unet": [1.4, 0.9, 0.9]},
                "laps": [],
                "executions": {"unet": "f32"},
                "psnr_db": None,
            }
        ]
    }
}


def test_an_interrupt_keeps_what_was_measured_and_leaves_nothing_half(bundle_copy, monkeypatch):
    monkeypatch.setattr(measuring, "_ROUNDS", 1)
    before = set((cache_folder() / "plans").glob("*"))

    def interrupt(event):
        if event.done == 1:
            raise KeyboardInterrupt

    manifest = bundle_copy / "edgediff.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"steps": ', '"steps": 1'), "utf-8")
    with pytest.raises(KeyboardInterrupt):
        edgediff.plan(bundle_copy, engine="onnxruntime", on_progress=interrupt)
    (kept,) = set((cache_folder() / "plans").glob("*")) - before
    assert json.loads(kept.read_text("utf-8"))["rounds"] == 1


def test_when_the_time_is_over_the_rest_is_told_and_not_measured(planned, monkeypatch, tmp_path):
    _, plan, _ = planned
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path))
    monkeypatch.setattr(measuring, "_measured", lambda *_: plan.measured[0].figures)
    measured, excluded = measuring.measure([one.variant for one in plan.measured], at_most_s=1e-9)
    assert [one.variant.values["residency"] for one in measured] == ["resident"]  # one is, or there is no plan
    assert [one.reason for one in excluded] == ["not measured: 1e-09 s of measuring were over"] * 2


def test_each_measurement_tells_how_busy_the_machine_was(planned, monkeypatch, tmp_path):
    _, plan, _ = planned
    shares = iter([0.1, 0.61, 0.3])
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path))
    monkeypatch.setattr(measuring, "run_job", lambda *_, **__: (SHORT, SimpleNamespace(seconds=9.0)))
    monkeypatch.setattr(measuring, "others_share", lambda *_: next(shares))
    variants = [one.variant for one in plan.measured]
    for kept in (False, True):
        measured, _ = measuring.measure(variants, at_most_s=60.0)
        assert [(one.kept, one.figures.others_share) for one in measured] == [(kept, 0.1), (kept, 0.61), (kept, 0.3)]
        (doubt,) = dataclasses.replace(plan, measured=tuple(measured)).doubts()
        assert doubt.startswith("the machine was busy as 2 of 3 variants were measured: other programs took up to 61%")
        assert dataclasses.replace(plan, measured=tuple(measured[:1])).doubts() == []


@pytest.mark.parametrize("compiles", [True, False])
def test_a_first_load_is_of_the_process_that_compiled(planned, monkeypatch, tmp_path, compiles):
    _, plan, _ = planned
    asked = []

    def run_job(job, _, *, compiled):
        loads, graph = {"unet": 2.0}, compiled / "compiled" / "unet"
        if compiles and not graph.exists():
            graph.mkdir(parents=True)
            loads = {"unet": 30.0}
        asked.append(job["placement"]["low_memory"])
        (run,) = SHORT["result"]["runs"]
        return {"result": {"runs": [{**run, "loads_s": loads}]}}, SimpleNamespace(seconds=9.0)

    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path))
    monkeypatch.setattr(measuring, "run_job", run_job)
    measured, _ = measuring.measure([one.variant for one in plan.measured], at_most_s=60.0)
    assert asked == [False] * (2 + compiles) + [True]  # one process each, and one that compiled
    assert [one.figures.load_s for one in measured] == [2.0] * 3
    assert [one.figures.first_load_s for one in measured] == [30.0 if compiles else None] * 3


def test_what_fails_is_told_and_the_others_are_measured(planned, monkeypatch, tmp_path):
    _, plan, _ = planned
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path))

    def measured(variant, _):
        if variant.values["residency"] == "resident":
            raise EngineError("memory ran out")
        return plan.measured[0].figures

    monkeypatch.setattr(measuring, "_measured", measured)
    found, excluded = measuring.measure([one.variant for one in plan.measured], at_most_s=60.0)
    assert len(found) == 2
    assert [(one.name, one.reason) for one in excluded] == [("bundle, onnxruntime on cpu, resident", "memory ran out")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: {"load_s": 1},
        lambda known: {**known, "step_s": "1"},
        lambda known: {**known, "parts": {"unet": 1}},
        lambda known: {**known, "executions": {**known["executions"], "other": "f32"}},
        lambda known: [known],
    ],
    ids=["short", "text", "part", "role", "array"],
)
def test_a_spoilt_file_of_the_cache_is_measured_again(planned, monkeypatch, tmp_path, spoil):
    _, plan, _ = planned
    monkeypatch.setenv("EDGEDIFF_CACHE", str(shutil.copytree(cache_folder(), tmp_path / "cache")))
    monkeypatch.setattr(measuring, "_measured", lambda *_: plan.measured[0].figures)
    file = tmp_path / "cache" / "plans" / f"{measuring._name(plan.measured[1].variant)}.json"
    file.write_text(json.dumps(spoil(json.loads(file.read_text("utf-8")))), "utf-8")
    measured, _ = measuring.measure([one.variant for one in plan.measured], at_most_s=60.0)
    assert [one.kept for one in measured] == [True, False, True]
    assert json.loads(file.read_text("utf-8")) == plan.measured[0].figures.written()
