"""Calibration of models without text: what is drawn are labels, or pictures of other seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgediff_exporters.quantization.calibration import record_calibration
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.quality import Runner, Subjects

GOLDEN = Path(__file__).parents[2] / "golden"


def _recorded(name, folder, role):
    fp32 = Runner(Bundle.open(GOLDEN / name))
    prompts = Subjects.of(fp32.bundle.manifest.recipe).calibration
    calls = record_calibration(
        fp32, folder, roles=[role], prompts=prompts, pictures=3, steps=2, on_progress=lambda *_: None
    )
    return prompts, list(calls[role])


def test_both_branches_of_every_label_are_there(tmp_path):
    prompts, calls = _recorded("labels", tmp_path / "calls", "transformer")
    drawn = [call["class_labels"].tolist() for call in calls]
    assert drawn == [[10, int(label)] for label in prompts[:3] for _ in range(2)]  # 10: no class


def test_pictures_differ_by_their_seeds(tmp_path):
    _, calls = _recorded("pixels", tmp_path / "calls", "unet")
    assert len(calls) == 6
    assert {*calls[0]} == {"sample", "timestep"}
    assert np.abs(calls[0]["sample"] - calls[2]["sample"]).max() > 1
