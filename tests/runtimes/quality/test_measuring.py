"""What is measured is the error that was put there, in the component it was put in."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from edgediff_runtimes.bundle import Fidelity, FileEntry
from edgediff_runtimes.engines import FakeEngine
from edgediff_runtimes.errors import BundleError, NonFiniteError
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import (
    Runner,
    attribute,
    draw,
    make_reference,
    measure,
    measure_components,
    measure_pictures,
)
from edgediff_runtimes.quality.measures import MAX_DB, psnr_db, snr_db, ssim
from edgediff_runtimes.quality.measuring import fidelity
from edgediff_runtimes.recipe import Recipe

RECORD = FileEntry("quality/reference.npz", 1, None)
DRAWING = ("text_encoder", "unet", "vae_decoder")


def test_the_same_again_is_equal(fp32, reference):
    report = measure(fp32, reference, record=RECORD)
    assert (report.psnr_db.mean, report.psnr_db.worst) == (MAX_DB, MAX_DB)
    assert (report.ssim.mean, report.ssim.worst) == (1, 1)
    assert {role: part.snr_db for role, part in report.components.items()} == dict.fromkeys(
        (*DRAWING, "vae_encoder"), MAX_DB
    )


def test_a_report_says_how_it_was_made(coarse, reference):
    report = measure(coarse(unet=0.1), reference, record=RECORD)
    assert (report.engine, report.engine_version, report.device) == ("fake", "1", "cpu")
    assert (report.steps, report.guidance, report.width, report.height) == (8, 3.0, 64, 64)
    assert [(picture.prompt, picture.seed) for picture in report.pictures] == list(
        zip(reference.prompts, reference.seeds, strict=True)
    )
    assert {part.execution for part in report.components.values()} == {"f32"}
    assert report.reference == RECORD
    assert report.psnr_db.mean == pytest.approx(np.mean([picture.psnr_db for picture in report.pictures]), abs=1e-3)
    assert report.psnr_db.worst == min(picture.psnr_db for picture in report.pictures)
    assert report.ssim.worst == min(picture.ssim for picture in report.pictures)


def test_a_report_names_the_threads_that_its_engine_tells(coarse, reference):
    runner = coarse(unet=0.1)
    told = Runner(runner.bundle, dataclasses.replace(runner.placement, threads=3))
    assert measure(told, reference, record=RECORD).threads == 3
    assert measure(coarse(unet=0.1), reference, record=RECORD).threads is None


def test_the_execution_is_that_of_the_session(tiny, answers, reference):
    def exact(role, feeds):
        return answers[role](feeds)

    def half(role, feeds):
        return {name: array.astype(np.float16).astype(np.float32) for name, array in exact(role, feeds).items()}

    engine = FakeEngine(exact, lower={"bf16": half})
    parts = measure_components(Runner(tiny, Placement(engine=engine, execution="bf16")), reference)
    assert {part.execution for part in parts.values()} == {"bf16"}
    # Rounding to 11 bits: errors of at most 2^-11 of a number, evenly spread.
    assert parts["unet"].snr_db == pytest.approx(20 * math.log10(2**11 * math.sqrt(3)), abs=3)


def test_only_the_coarse_component_has_an_error(coarse, reference):
    parts = measure_components(coarse(vae_decoder=0.05), reference)
    assert [role for role, part in parts.items() if part.snr_db < MAX_DB] == ["vae_decoder"]
    assert parts["vae_decoder"].levels == ()


def test_the_error_is_told_for_each_noise_level(coarse, reference):
    step = np.float32(0.05)
    (part,) = measure_components(coarse(unet=step), reference, roles=["unet"]).values()
    probes = [probe for probe in reference.probes if probe.role == "unet"]
    assert [level.timestep for level in part.levels] == sorted({p.timestep for p in probes}, reverse=True)
    for level in part.levels:
        at = [probe.expected for probe in probes if probe.timestep == level.timestep]
        expected = snr_db(np.stack(at), np.stack([(array / step).round() * step for array in at]))
        assert level.snr_db == pytest.approx(expected, abs=2e-3)
    assert min(level.snr_db for level in part.levels) <= part.snr_db <= max(level.snr_db for level in part.levels)


def test_pictures_are_compared_one_by_one(coarse, reference):
    runner = coarse(unet=0.2)
    measured = measure_pictures(runner, reference)
    for picture, expected, got in zip(measured, reference.pictures, draw(runner, reference), strict=True):
        assert picture.psnr_db == pytest.approx(psnr_db(expected, got), abs=1e-3)
        assert picture.ssim == pytest.approx(ssim(expected, got), abs=1e-5)
        assert picture.psnr_db < 60


def test_each_component_is_charged_with_its_own_error(fp32, coarse, reference):
    steps = {"unet": 0.2, "vae_decoder": 0.01, "vae_encoder": 0.5}
    alone = attribute(fp32, coarse(**steps), reference)
    assert alone == {
        role: fidelity(measure_pictures(coarse(**{role: steps.get(role, 0)}), reference)) for role in DRAWING
    }
    assert alone["text_encoder"] == Fidelity(MAX_DB, 1)
    assert alone["unet"].psnr_db < alone["vae_decoder"].psnr_db < MAX_DB


def test_errors_of_components_add_up(fp32, coarse, reference):
    steps = {"unet": 0.2, "vae_decoder": 0.05}
    whole = measure(coarse(**steps), reference, record=RECORD)
    whole = whole.with_attribution(attribute(fp32, coarse(**steps), reference))
    alone = [part.alone.psnr_db for role, part in whole.components.items() if role in DRAWING]
    assert whole.psnr_db.mean < min(alone)
    assert whole.components["vae_encoder"].alone is None


def test_a_component_with_the_same_files_is_not_drawn_again(fp32, tiny, calls, reference):
    calls.clear()
    alike = Runner(tiny, fp32.placement)
    assert attribute(fp32, alike, reference) == dict.fromkeys(DRAWING, Fidelity(MAX_DB, 1))
    assert calls == []


def test_the_same_files_in_another_execution_are_drawn(tiny, answers, reference):
    def exact(role, feeds):
        return answers[role](feeds)

    def rough(role, feeds):
        return {name: (array * 8).round() / 8 for name, array in exact(role, feeds).items()}

    engine = FakeEngine(exact, lower={"bf16": rough})
    fp32, other = (Runner(tiny, Placement(engine=engine, execution=asked)) for asked in (None, "bf16"))
    alone = attribute(fp32, other, reference)
    assert max(one.psnr_db for one in alone.values()) < MAX_DB


def test_sessions_are_closed(tiny, answers, reference):
    engines = [FakeEngine(lambda role, feeds: answers[role](feeds)) for _ in range(2)]
    one, other = (Runner(tiny, Placement(engine=engine)) for engine in engines)
    measure(one, reference, record=RECORD)
    attribute(one, other, reference)
    make_reference(one, prompts=["a"], steps=1)
    assert [engine.open_sessions for engine in engines] == [[], []]


def test_progress_is_told(fp32, coarse, reference):
    seen = []
    measure(fp32, reference, record=RECORD, on_progress=lambda *event: seen.append(event))
    probes = len(reference.probes)
    assert [event for event in seen if event[0] == "components"] == [
        ("components", i, probes) for i in range(probes + 1)
    ]
    assert [event for event in seen if event[0] == "pictures"] == [("pictures", i, 3) for i in range(4)]
    seen.clear()
    attribute(fp32, coarse(unet=0.1), reference, on_progress=lambda *event: seen.append(event))
    assert seen[-1] == ("pictures with `vae_decoder` alone", 3, 3)


def test_values_that_are_not_finite_are_an_error(tiny, answers, reference):
    def broken(role, feeds):
        outputs = answers[role](feeds)
        return {name: np.full_like(array, np.nan) if role == "unet" else array for name, array in outputs.items()}

    with pytest.raises(NonFiniteError, match="`unet`"):
        measure(Runner(tiny, Placement(engine=FakeEngine(broken))), reference, record=RECORD)


def test_an_output_of_another_shape_is_one_sentence(tiny, answers, reference):
    def cut(role, feeds):
        return {name: array[:, :2] if role == "unet" else array for name, array in answers[role](feeds).items()}

    with pytest.raises(BundleError, match=r"`unet` gives `out_sample` of shape \(2, 2, 8, 8\) where"):
        measure_components(Runner(tiny, Placement(engine=FakeEngine(cut))), reference)


def test_a_time_step_of_another_rank_is_fed_as_the_graph_takes_it(tiny, fake_engine, calls, reference):
    unet = tiny.manifest.components["unet"]
    inputs = [dataclasses.replace(spec, shape=(1,)) if spec.name == "timestep" else spec for spec in unet.inputs]
    components = {**tiny.manifest.components, "unet": dataclasses.replace(unet, inputs=tuple(inputs))}
    bundle = dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, components=components))
    calls.clear()
    parts = measure_components(Runner(bundle, Placement(engine=fake_engine)), reference, roles=["unet"])
    assert parts["unet"].snr_db == MAX_DB
    assert {feeds["timestep"] for _, feeds in calls} == {(1,)}


@pytest.fixture
def overflowing(tiny, answers):
    """Computes in f16, in which the network has no finite values, or in f32, in which all is well."""

    def exact(role, feeds):
        return answers[role](feeds)

    def half(role, feeds):
        return {name: array * np.float32(np.inf if role == "unet" else 1) for name, array in exact(role, feeds).items()}

    return Runner(tiny, Placement(engine=FakeEngine(exact, lower={"f16": half}), execution="f16"))


def test_what_was_computed_again_in_f32_is_counted(overflowing, reference):
    with pytest.warns(UserWarning, match="`unet` returned values that are not finite, computed in f16"):
        report = measure(overflowing, reference, record=RECORD)
    assert report.psnr_db.mean == MAX_DB
    probes = sum(probe.role == "unet" for probe in reference.probes)
    calls = reference.steps * len(reference.prompts)
    assert {role: (part.execution, part.rescued) for role, part in report.components.items()} == {
        "text_encoder": ("f16", 0),
        "unet": ("f16", probes + calls),
        "vae_decoder": ("f16", 0),
        "vae_encoder": ("f16", 0),
    }


def test_what_is_computed_again_in_f32_is_so_in_attribution(fp32, overflowing, reference):
    with pytest.warns(UserWarning, match="`unet` returned values that are not finite"):
        assert attribute(fp32, overflowing, reference) == dict.fromkeys(DRAWING, Fidelity(MAX_DB, 1))


def test_a_joined_pipeline_computes_each_component_as_its_own_runner_says(fp32, overflowing):
    with fp32.pipeline(replaced={"unet": overflowing}) as pipeline, pytest.warns(UserWarning, match="`unet`"):
        computed = pipeline("a cat", seed=0, steps=2).computed
    assert {role: (how.execution, how.rescued) for role, how in computed.items()} == {
        "text_encoder": ("f32", 0),
        "unet": ("f16", 2),
        "vae_decoder": ("f32", 0),
    }


def test_a_model_that_draws_from_pictures_alone_is_given_some(tiny, fake_engine, answers):
    stage = tiny.manifest.recipe.first
    alone = dataclasses.replace(stage, tasks={"image-to-image": stage.tasks["image-to-image"]})
    bundle = dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, recipe=Recipe((alone,))))
    runner = Runner(bundle, Placement(engine=fake_engine))
    reference = make_reference(runner, prompts=["a cat", "a car"], seed=2, steps=4)
    assert (reference.width, reference.height) == (64, 64)
    assert "vae_encoder" in {probe.role for probe in reference.probes}
    assert measure(runner, reference, record=RECORD).psnr_db.worst == MAX_DB
    shifted = FakeEngine(
        lambda role, feeds: {
            name: array + np.float32(0.2 * (role == "vae_encoder")) for name, array in answers[role](feeds).items()
        }
    )
    other = measure(Runner(bundle, Placement(engine=shifted)), reference, record=RECORD)
    assert other.psnr_db.mean < MAX_DB  # what it starts from counts
