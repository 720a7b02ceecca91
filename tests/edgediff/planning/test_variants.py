"""What is measured, what is only worked out, and what is left out; nothing is computed here."""

from __future__ import annotations

import dataclasses

import pytest

from edgediff.planning.knobs import Work, settings_to_measure
from edgediff.planning.measuring import Measured
from edgediff.planning.predicting import candidates
from edgediff.planning.proofs import proof_of
from edgediff.planning.variants import Asked, variants
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import DeviceError, SettingError
from edgediff_runtimes.settings.resolve import resolve_settings

ONLY = {"engines": ("onnxruntime",)}


def test_reuse_is_chosen_where_it_is_proved(tuned, figures):
    found, excluded = variants(Asked((str(tuned),), **ONLY))
    assert excluded == []
    made = candidates([Measured(found[0], figures(), kept=True)])
    by_calls = {one.values["reuse"]: one for one in made}
    assert by_calls.keys() == {None, 6, 4}
    full, six, four = by_calls[None], by_calls[6], by_calls[4]
    assert full.time_s == pytest.approx(2.0 + 3.0 + 1.5 + 19 * 1.0)
    assert six.time_s == pytest.approx(2.0 + 3.0 + 1.5 + 19 * 0.1 + 5 * 0.9)
    assert four.time_s < six.time_s
    assert [one.psnr_db for one in (full, six, four)] == [120.0, pytest.approx(50.0), pytest.approx(40.0)]
    proofs = {len(proof.schedule.made): list(proof.orders) for proof in found[0].work.bundle.manifest.reuse}
    assert (full.settings["call"], four.settings["call"]) == ({}, {"reuse": proofs[4]})


def test_reuse_is_proved_for_what_the_network_was_computed_in(tuned, figures):
    found, _ = variants(Asked((str(tuned),), **ONLY))
    (full, *others) = candidates([Measured(found[0], figures(executions={"unet": "bf16"}), kept=True)])
    assert "reuse" not in full.unproven
    for one in others:
        assert one.psnr_db is None
        assert one.unproven.endswith("its reuse was measured with `unet` computed in f32, and here it is bf16")


@pytest.mark.parametrize("decode", [{"decoder": "tiny"}, {"tile": 32}, {"decoder": "tiny", "seed": 7}])
def test_a_proof_does_not_depend_on_how_a_sample_is_decoded(tuned, decode):
    manifest = Bundle.open(tuned).manifest
    settings = resolve_settings(manifest.recipe, manifest.defaults, "a", {}, image_size=None)
    for reuse in (6, manifest.reuse[1].orders):
        assert proof_of(manifest, dataclasses.replace(settings, **decode), reuse) == manifest.reuse[1]
    assert proof_of(manifest, dataclasses.replace(settings, steps=12), 6) is None
    assert proof_of(manifest, settings, 5) is None


@pytest.mark.parametrize("options", [{"steps": (10,)}, {"guidance": 7.5}, {"size": (128, 128)}])
def test_reuse_that_was_proved_for_other_settings_is_not_offered(tuned, figures, options):
    found, _ = variants(Asked((str(tuned),), **ONLY, **options))
    made = candidates([Measured(found[0], figures(), kept=True)])
    assert {one.values["reuse"] for one in made} == {None}


def test_fewer_steps_are_not_proven_beside_more(tuned, figures):
    found, _ = variants(Asked((str(tuned),), **ONLY, steps=(10, 20, 10)))
    made = candidates([Measured(found[0], figures(), kept=True)])
    known = {(one.values["steps"], one.values["reuse"]): one for one in made}
    assert known.keys() == {(20, None), (20, 6), (20, 4), (10, None)}
    assert known[20, None].unproven is None
    assert known[10, None].psnr_db is None
    assert known[10, None].unproven.startswith("fewer steps than others of this plan")
    assert known[20, None].time_s - known[10, None].time_s == pytest.approx(10.0)


def test_loading_counts_to_every_picture_where_nothing_stays(tuned, figures):
    found, _ = variants(Asked((str(tuned),), **ONLY))
    made = candidates([Measured(one, figures(first_load_s=9.0), kept=True) for one in found])
    full = {one.values["residency"]: one for one in made if one.values["reuse"] is None}
    assert full["resident"].next_time_s == pytest.approx(full["resident"].time_s - 2.0)
    assert full["sequential"].next_time_s == full["sequential"].time_s
    assert full["resident"].first_time_s == pytest.approx(full["resident"].time_s + 7.0)


def test_what_differs_from_whole_pictures_counts_to_the_quality(tuned, figures):
    found, _ = variants(Asked((str(tuned),), **ONLY))
    (made, *_) = candidates([Measured(found[0], figures(psnr_db=41.0), kept=True)])
    assert made.psnr_db == pytest.approx(41.0)


def test_several_bundles_take_turns_and_are_told_apart(bundle, tuned):
    found, _ = variants(Asked((str(bundle), str(tuned)), **ONLY))
    assert [one.name for one in found] == ["bundle", "tuned"] * 3
    found, _ = variants(Asked((str(tuned), str(tuned)), **ONLY))
    assert {one.name for one in found} == {str(tuned)}


def test_three_steps_are_measured_or_as_few_as_there_are(bundle):
    for steps, measured in (((20, 10), 3), ((2,), 2)):
        (first, *_), _ = variants(Asked((str(bundle),), **ONLY, steps=steps))
        assert first.options["steps"] == measured


def test_a_place_that_refuses_is_told_and_others_are_taken(bundle):
    found, excluded = variants(Asked((str(bundle),), **ONLY, executions=("graph", "bf16")))
    assert {one.case.asked for one in found} == {None}
    (one,) = excluded
    assert one.name == "bundle, onnxruntime"
    assert "bf16" in one.reason


def test_where_nothing_is_left_the_reason_is_told(bundle):
    with pytest.raises(SettingError, match="bf16"):
        variants(Asked((str(bundle),), **ONLY, executions=("bf16",)))
    with pytest.raises(DeviceError):
        variants(Asked((str(bundle),), **ONLY, devices=("npu",)))


def test_a_small_decoder_is_tried_where_there_is_one(bundle):
    manifest = Bundle.open(bundle).manifest
    (stage,) = manifest.recipe.stages
    with_tiny = dataclasses.replace(manifest.recipe, stages=(dataclasses.replace(stage, tiny=stage.result),))
    opened = Bundle.open(bundle)
    settings = resolve_settings(manifest.recipe, manifest.defaults, "a", {"width": 512, "height": 512}, image_size=None)
    work = Work(
        dataclasses.replace(opened, manifest=dataclasses.replace(manifest, recipe=with_tiny)), settings, steps=(4,)
    )
    tried = [(one["decoder"], one["residency"], one["tile"]) for one in settings_to_measure(work)]
    assert tried.count(("tiny", "resident", None)) == 1
    assert {tile for decoder, _, tile in tried if decoder == "tiny"} == {None}
    assert {tile for decoder, _, tile in tried if decoder is None} == {None, 288}
    assert {one["decoder"] for one in settings_to_measure(Work(opened, settings, steps=(4,)))} == {None}
