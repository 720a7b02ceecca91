"""Quality of models without text: labels, or nothing, in place of prompts."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from edgediff_runtimes.bundle import Bundle, QualityReport
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.quality import EVALUATION_PROMPTS, Reference, Runner, Subjects, call_of, make_reference, measure
from edgediff_runtimes.quality.measures import MAX_DB
from edgediff_runtimes.recipe import Recipe


@pytest.fixture
def labels(golden):
    return Runner(Bundle.open(golden / "labels"))


@pytest.fixture
def pixels(golden):
    return Runner(Bundle.open(golden / "pixels"))


def _of(recipe, classes):
    """The recipe with so many classes."""
    (stage,) = recipe.stages
    given = (dataclasses.replace(stage.given[0], below=classes),)
    return Recipe((dataclasses.replace(stage, given=given),))


def test_a_model_with_text_has_our_prompts(tiny):
    ours = Subjects.of(tiny.manifest.recipe)
    assert ours == Subjects()
    assert ours.evaluation == EVALUATION_PROMPTS
    assert call_of(tiny.manifest.recipe, "a red apple") == ("a red apple", {})


@pytest.mark.parametrize(("classes", "evaluation"), [(1000, 12), (36, 12), (10, 3), (2, 1)])
def test_labels_are_spread_over_all_classes_and_none_is_in_both_lists(labels, classes, evaluation):
    recipe = _of(labels.bundle.manifest.recipe, classes)
    ours = Subjects.of(recipe)
    assert (len(ours.calibration), len(ours.evaluation)) == (24, 12)
    assert len({*ours.evaluation}) == evaluation
    assert not {*ours.calibration} & {*ours.evaluation}
    drawn = sorted(int(label) for label in {*ours.calibration, *ours.evaluation})
    assert max(np.diff([*drawn, classes])) <= -(-classes // 36)
    assert call_of(recipe, ours.evaluation[0]) == (None, {"class_label": ours.evaluation[0]})


def test_a_single_class_is_held_apart_by_its_seeds(labels):
    ours = Subjects.of(_of(labels.bundle.manifest.recipe, 1))
    assert ours.calibration == ("0",) * 24
    assert ours.evaluation == ("0",) * 12


def test_a_label_that_the_model_lacks_is_refused(labels):
    subjects = Subjects.of(labels.bundle.manifest.recipe)
    assert subjects.asked(["3", "goldfish"], setting="evaluate") == ("3", "goldfish")
    with pytest.raises(SettingError, match="`class_label` is 'cat'"):
        subjects.asked(["3", "cat"], setting="evaluate")


def test_nothing_to_ask_for_is_an_empty_text(pixels):
    ours = Subjects.of(pixels.bundle.manifest.recipe)
    assert (ours.empty, {*ours.calibration, *ours.evaluation}) == (True, {""})
    assert call_of(pixels.bundle.manifest.recipe, "") == (None, {})


@pytest.mark.parametrize(("name", "roles"), [("labels", ["transformer", "vae_decoder"]), ("pixels", ["unet"])])
def test_a_record_is_made_read_and_measured_against(golden, tmp_path, name, roles):
    """What drew the record is as good as can be told; every component was probed, the network at all levels."""
    runner = Runner(Bundle.open(golden / name))
    prompts = Subjects.of(runner.bundle.manifest.recipe).evaluation[:3]
    made = make_reference(runner, prompts=prompts, seed=5, steps=4)
    entry = made.save(tmp_path)
    read = Reference.load(tmp_path / entry.path)
    assert (read.prompts, read.seeds, read.steps) == (prompts, (5, 6, 7), 4)
    assert sorted({probe.role for probe in read.probes}) == roles
    assert len({probe.timestep for probe in read.probes if probe.timestep is not None}) == 4
    assert read.pictures.shape == (3, *(2 * [runner.bundle.manifest.defaults.width]), 3)
    assert not np.array_equal(read.pictures[0], read.pictures[1])
    report = measure(runner, read, record=entry)
    written = json.loads(json.dumps(dataclasses.asdict(report)))
    assert QualityReport.read(Fields(written)) == report
    assert report.psnr_db.worst == MAX_DB
    assert [picture.prompt for picture in report.pictures] == [*prompts]
