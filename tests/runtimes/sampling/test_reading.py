"""The table of classes whose configs are read."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from edgediff_runtimes.sampling import build_sampler
from edgediff_runtimes.sampling.reading import classes
from edgediff_runtimes.sampling.reading.table import READINGS


def test_every_file_of_a_class_is_in_the_table():
    files = [path.stem for path in Path(classes.__file__).parent.glob("*.py") if path.stem != "__init__"]
    readings = [importlib.import_module(f"{classes.__name__}.{name}").READING for name in files]
    assert len(files) > 40
    assert {id(reading) for reading in readings} == {id(reading) for reading in READINGS.values()}


def test_only_classes_that_are_the_same_share_a_file():
    """diffusers' parallel classes differ from the others in how they are called, not in what they compute."""
    ids = [id(reading) for reading in READINGS.values()]
    shared = {name for name, reading in READINGS.items() if ids.count(id(reading)) > 1}
    assert shared == {"DDIMScheduler", "DDIMParallelScheduler", "DDPMScheduler", "DDPMParallelScheduler"}


@pytest.mark.parametrize("schedule", ["karras", "exponential"])
@pytest.mark.parametrize("name", ["EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"])
def test_no_step_rises_where_the_end_is_the_last_level_but_for_a_bit(name, schedule):
    config = {"_class_name": name, "final_sigmas_type": "sigma_min", "sigma_schedule": schedule}
    for steps in range(1, 60):
        last = build_sampler(config, steps).intervals[-1]
        assert 0 <= last.start.sigma - last.end.sigma <= 1e-6 * last.end.sigma or steps == 1
