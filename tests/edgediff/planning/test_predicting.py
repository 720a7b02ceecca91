"""Whole pictures from what short ones took: arithmetic that can be done by hand."""

from __future__ import annotations

import math

import pytest

from edgediff.planning.candidates import quality_of, seconds_of_steps, together
from edgediff.planning.figures import Figures, figures_of
from edgediff.planning.knobs import KNOBS, Work, call_options, load_options, settings_to_measure, settings_to_predict
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import ManifestError
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.quality.measures import MAX_DB
from edgediff_runtimes.settings.resolve import resolve_settings


def _work(bundle, *, side):
    settings = resolve_settings(
        bundle.manifest.recipe, bundle.manifest.defaults, "a", {"width": side, "height": side}, image_size=None
    )
    return Work(bundle, settings, steps=(20, 10))


@pytest.fixture(scope="module")
def work(bundle):
    return _work(Bundle.open(bundle), side=64)


def test_the_first_step_is_slower_than_the_others(figures):
    assert seconds_of_steps(figures(), steps=1) == 1.5
    assert seconds_of_steps(figures(), steps=20) == 1.5 + 19 * 1.0


def test_a_step_without_a_call_costs_our_own_work(figures):
    assert seconds_of_steps(figures(), steps=11, calls=0.0) == pytest.approx(1.5 + 10 * 0.1)
    assert seconds_of_steps(figures(), steps=11, calls=0.5) == pytest.approx(1.5 + 10 * (0.1 + 0.45))


def test_memory_is_saved_in_steps_of_a_ladder(work):
    ladder = [{name: values[name] for name in ("residency", "low_memory")} for values in settings_to_measure(work)]
    assert ladder == [
        {"residency": "resident", "low_memory": False},
        {"residency": "sequential", "low_memory": False},
        {"residency": "sequential", "low_memory": True},
    ]
    assert [values["steps"] for values in settings_to_predict(work)] == [20, 10]


@pytest.mark.parametrize(("side", "tiles"), [(64, []), (256, []), (512, [288]), (1024, [544, 304])])
def test_tiles_cut_a_side_into_two_and_four(bundle, side, tiles):
    work = _work(Bundle.open(bundle), side=side)
    found = {values["tile"] for values in settings_to_measure(work)}
    assert found == {None, *tiles}
    with_tiles = [values for values in settings_to_measure(work) if values["tile"] is not None]
    assert {values["residency"] for values in with_tiles} <= {"sequential"}
    for values in with_tiles:
        assert call_options(values) == {"tile": values["tile"]}


def test_every_knob_is_an_option_of_loading_or_of_a_call(bundle):
    work = _work(Bundle.open(bundle), side=512)
    values = {knob.name: knob.values(work)[-1] for knob in KNOBS}
    options = {**load_options(values), **call_options(values)}
    assert options == {"split_guidance": True, **{name: value for name, value in values.items() if value is not None}}
    assert {knob.name for knob in KNOBS} - options.keys() == {"decoder", "reuse"}  # this bundle has neither


def test_low_memory_splits_guidance_as_the_command_does(work):
    split = [load_options(values)["split_guidance"] for values in settings_to_measure(work)]
    assert split == [False, False, True]


def test_fp32_in_f32_is_exact_and_nothing_else_is_without_a_claim():
    assert quality_of(None, {"unet": "fp32"}, {"unet": "f32"}) == (MAX_DB, None)
    for precisions, executions in (({"unet": "w8"}, {"unet": "f32"}), ({"unet": "fp32"}, {"unet": "bf16"})):
        assert quality_of(None, precisions, executions) == (None, "its manifest claims no quality")


def test_a_claim_holds_for_what_it_was_measured_with(measured):
    claimed = Bundle.open(measured).manifest.quality
    computed = {role: part.execution for role, part in claimed.components.items()}
    precisions = dict.fromkeys(computed, "w8")
    assert quality_of(claimed, precisions, computed) == (claimed.psnr_db.mean, None)
    db, reason = quality_of(claimed, precisions, {**computed, "unet": "bf16"})
    assert db is None
    assert reason == "its quality was measured with `unet` computed in f32, and here it is bf16"


def test_errors_add_up():
    assert together(40.0) == pytest.approx(40.0)
    assert together(40.0, 40.0) == pytest.approx(40 - 10 * math.log10(2))
    assert together(MAX_DB, 40.0) == pytest.approx(40.0, abs=1e-6)
    assert together(MAX_DB) == MAX_DB
    assert together(40.0, None) is None


def _lap(what, role, peak, *, end=100):
    return {"what": what, "role": role, "begin": 100, "peak": peak, "end": end}


def _round(factor, *, peak):
    run = {
        "text_s": 1.0 * factor,
        "encode_s": 0.0,
        "steps_s": [1.5 * factor, 1.0 * factor, 1.2 * factor],
        "decode_s": 2.0 * factor,
        "total_s": 8.0 * factor,
        "loads_s": {"text_encoder": 0.5 * factor, "unet": 1.5 * factor},
        "calls_s": {"text_encoder": [0.2 * factor], "unet": [1.4 * factor, 0.9 * factor, 1.1 * factor]},
        "laps": [_lap("load", "text_encoder", 300), _lap("use", "unet", peak)],
        "executions": {"text_encoder": "f32", "unet": "f32"},
        "psnr_db": None,
    }
    return {"runs": [run]}


def test_figures_are_medians_but_memory_is_the_most():
    found = figures_of(
        [_round(1, peak=800), _round(9, peak=900), _round(1, peak=850)],
        network={"unet"},
        first_load_s=7,
        others_share=0.1,
    )
    assert (found.load_s, found.first_load_s) == (2.0, 7)
    assert found.around_s == pytest.approx(8.0 - 2.0 - 3.7)
    assert (found.first_step_s, found.step_s) == (1.5, pytest.approx(1.2))
    assert found.own_step_s == pytest.approx((3.7 - 3.4) / 3)
    assert (found.memory_bytes, found.rounds) == (900, 3)
    assert found.parts["unet"].first_call_s == 1.4
    assert found.parts["unet"].peak_bytes == 900
    assert found.parts["text_encoder"].call_s == 0.2


def test_of_graphs_that_stay_one_more_picture_counts():
    one = _round(1, peak=0)
    laps = [_lap("load", "unet", 300, end=300), _lap("use", "unet", 900, end=500), _lap("use", "vae", 800, end=750)]
    one["runs"][0]["laps"] = laps
    assert figures_of([one], network={"unet"}, first_load_s=None, others_share=None).memory_bytes == 750 + 400
    laps.append(_lap("free", "vae", 750, end=100))
    assert figures_of([one], network={"unet"}, first_load_s=None, others_share=None).memory_bytes == 900


def test_memory_is_not_known_where_the_system_does_not_tell():
    one = _round(1, peak=1)
    one["runs"][0]["laps"] = []
    found = figures_of([one], network={"unet"}, first_load_s=None, others_share=None)
    assert found.memory_bytes is None
    assert found.parts["unet"].peak_bytes is None


def test_figures_are_kept_as_json(figures):
    known = figures(others_share=0.5, first_load_s=3.0, psnr_db=40.0)
    assert Figures.read(Fields(known.written())) == known


@pytest.mark.parametrize(
    "spoilt",
    [
        {"load_s": "1"},
        {"load_s": -1.0},
        {"step_s": None},
        {"first_step_s": 0.0},
        {"first_step_s": True},
        {"memory_bytes": "much"},
        {"memory_bytes": 0},
        {"psnr_db": "good"},
        {"executions": ["f32"]},
        {"executions": {"unet": 3}},
        {"parts": {}},
        {"parts": {"unet": 1}},
        {"parts": {"vae": {"load_s": 1.0, "first_call_s": 1.0, "call_s": 1.0, "peak_bytes": None}}},
        {"parts": {"unet": {"load_s": 1.0, "first_call_s": "x", "call_s": 1.0, "peak_bytes": None}}},
        {"rounds": 0},
        {"others_share": "half"},
    ],
    ids=str,
)
def test_other_values_are_refused(figures, spoilt):
    with pytest.raises(ManifestError, match=f"`{next(iter(spoilt))}"):
        Figures.read(Fields({**figures().written(), **spoilt}))
