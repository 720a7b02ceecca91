"""Candidates and figures made up, so that what comes of them can be told beforehand."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

import edgediff
from edgediff.planning import measuring
from edgediff.planning.candidates import Candidate
from edgediff.planning.figures import Figures, Part
from edgediff_runtimes.bundle import Bundle, ProvedReuse, TenthSpread
from edgediff_runtimes.bundle.quality import PictureQuality
from edgediff_runtimes.sampling.reuse import ReuseSchedule


@pytest.fixture
def candidate():
    """Builds a candidate: ``candidate("int8", time=4, memory=2e9, db=40)``."""

    def candidate(bundle="int8", *, time=4.0, memory=2e9, db=40.0, further=None, engine="onnxruntime", **values):
        return Candidate(
            bundle=bundle,
            engine=engine,
            device="cpu",
            execution=None,
            values={"residency": "resident", "low_memory": False, "steps": None, **values},
            time_s=time,
            first_time_s=None,
            next_time_s=time if further is None else further,
            memory_bytes=None if memory is None else int(memory),
            psnr_db=db,
            unproven="nobody measured it" if db is None else None,
            settings={"bundle": {"name": bundle, "path": f"/{bundle}", "fingerprint": "0"}, "load": {}, "call": {}},
        )

    return candidate


@pytest.fixture
def figures():
    """Builds the figures of a variant whose network takes 1 s a step, of which 0.1 s are ours."""

    def figures(**others):
        part = Part(load_s=2.0, first_call_s=1.4, call_s=0.9, peak_bytes=900)
        known = {
            "load_s": 2.0,
            "first_load_s": None,
            "around_s": 3.0,
            "first_step_s": 1.5,
            "step_s": 1.0,
            "own_step_s": 0.1,
            "memory_bytes": 1000,
            "psnr_db": None,
            "executions": {"unet": "f32"},
            "parts": {"unet": part},
            "rounds": 1,
            "others_share": None,
        }
        return Figures(**{**known, **others})

    return figures


def _proof(made, *, steps, db):
    return ProvedReuse(
        orders=ReuseSchedule.of(made, steps).orders,
        steps=steps,
        guidance=5.0,
        sampler=None,
        width=64,
        height=64,
        psnr_db=TenthSpread(db, db - 5),
        ssim=TenthSpread(1.0, 1.0),
        error=0.1,
        pictures=(PictureQuality("a", 0, db, 1.0),),
        engine="onnxruntime",
        engine_version="1",
        device="cpu",
        execution="f32",
    )


@pytest.fixture(scope="module")
def tuned(bundle, tmp_path_factory):
    """The tiny bundle, which recommends twenty steps and proves two schedules for them."""
    folder = shutil.copytree(bundle, tmp_path_factory.mktemp("tuned") / "tuned")
    manifest = Bundle.open(folder).manifest
    manifest = dataclasses.replace(
        manifest,
        defaults=dataclasses.replace(manifest.defaults, steps=20, guidance=5.0),
        reuse=(_proof((0, 1, 10, 19), steps=20, db=40.0), _proof((0, 1, 5, 9, 13, 19), steps=20, db=50.0)),
    )
    (folder / "edgediff.json").write_text(manifest.to_json(), "utf-8")
    return folder


@pytest.fixture(scope="session")
def planned(bundle, tmp_path_factory):
    """A folder with what one plan of the tiny bundle left; its figures are kept for all further plans here."""
    folder = tmp_path_factory.mktemp("planned")
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "_ROUNDS", 1)  # these tests look at no time
        plan = edgediff.plan(bundle, engine="onnxruntime", memory="8GB", latency="1min", on_progress=seen.append)
    plan.save_settings(folder / "plan.json")
    plan.save_json(folder / "report.json")
    return folder, plan, seen
