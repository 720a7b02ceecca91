"""``reuse`` of a run: how many network calls are made, by which schedule, what is told, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.bundle import Manifest, PictureQuality, ProvedReuse, TenthSpread
from edgediff_runtimes.errors import Cancelled, ManifestError, SettingError
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.running.reusing import reuse_of
from edgediff_runtimes.running.schedules import sampler_for
from edgediff_runtimes.settings.resolve import options_of, resolve_settings

STEPS = 20
MADE = (0, 1, 3, 6, 10, 14, 19)
PROOF = ProvedReuse(
    orders=tuple(None if call in MADE else 2 if call > 10 else 1 for call in range(STEPS)),
    steps=STEPS,
    guidance=3.0,
    sampler=None,
    width=64,
    height=64,
    psnr_db=TenthSpread(45.0, 41.5),
    ssim=TenthSpread(0.99, 0.98),
    error=0.2,
    pictures=(PictureQuality("a red apple", 3, 45.0, 0.99),),
    engine="onnxruntime",
    engine_version="1.32.0",
    device="cpu",
    execution="f32",
)


@pytest.fixture
def many(tiny):
    """The bundle with twenty steps by default: one of a few steps is taken for a distilled model."""
    defaults = dataclasses.replace(tiny.manifest.defaults, steps=STEPS)
    return dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, defaults=defaults))


@pytest.fixture
def proved(many):
    return dataclasses.replace(many, manifest=dataclasses.replace(many.manifest, reuse=(PROOF,)))


@pytest.fixture
def opened(fake_engine):
    """A pipeline of a bundle on the engine of functions, closed at the end."""
    pipelines = []

    def opened(bundle, **placement):
        pipelines.append(Pipeline(bundle, Placement(engine=fake_engine, **placement)))
        return pipelines[-1]

    yield opened
    for pipeline in pipelines:
        pipeline.close()


@pytest.fixture
def asked(calls):
    """How often the network was asked since the last look."""

    def asked():
        count = [role for role, _ in calls].count("unet")
        calls.clear()
        return count

    return asked


def test_without_it_all_calls_are_made(many, opened, asked):
    result = opened(many)("a", seed=0)
    assert (asked(), result.reuse, result.settings.reuse) == (STEPS, None, "off")


@pytest.mark.parametrize("count", [3, 8, 20])
def test_a_number_of_calls(many, opened, asked, count):
    result = opened(many)("a", seed=0, reuse=count)
    assert asked() == count
    assert (result.reuse.schedule, result.reuse.calls, result.reuse.made) == ("even", STEPS, count)
    assert len(result.reuse.errors) == count - 2
    assert result.reuse.psnr_db is None  # its quality was not measured
    assert len(result.timings.steps_s) == STEPS


def test_all_calls_draw_what_no_reuse_draws(many, opened):
    pipeline = opened(many)
    plain, full, eight = (pipeline("a", seed=1, reuse=reuse) for reuse in ("off", STEPS, 8))
    assert np.array_equal(plain.latents, full.latents)
    assert not np.array_equal(plain.latents, eight.latents)
    np.testing.assert_allclose(eight.latents, plain.latents, atol=0.1 * np.abs(plain.latents).max())


@pytest.mark.parametrize("options", [{"guidance": 1.0}, {"sampler": "heun"}, {"sampler": "euler_cfg_pp"}], ids=str)
def test_guidance_and_samplers(many, opened, asked, options):
    result = opened(many)(["a red apple", "the cat"], seed=0, reuse=9, **options)
    assert (asked(), result.reuse.made, len(result.images)) == (9, 9, 2)


def test_split_guidance_makes_two_calls_of_each(many, fake_engine, asked):
    with Pipeline(many, Placement(engine=fake_engine), split_guidance=True) as pipeline:
        pipeline("a", seed=0, reuse=8)
    assert asked() == 16


def test_image_to_image_counts_the_calls_of_its_own_run(many, opened, asked):
    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    pipeline = opened(many)
    result = pipeline("a", image=picture, strength=0.5, seed=0, reuse=6)
    assert (asked(), result.reuse.calls, result.reuse.made) == (6, 10, 6)
    with pytest.raises(SettingError, match=r"`reuse` is 11: expected at most 10, the network calls of this run"):
        pipeline("a", image=picture, strength=0.5, reuse=11)


def test_previews_come_with_every_step_and_a_run_can_be_cancelled(many, opened, asked):
    pipeline = opened(many)
    with pipeline.stream("a", seed=0, reuse=8) as run:
        steps = [next(run) for _ in range(12)]
        assert steps[2].preview()[0].size == (64, 64)  # of a step that was extrapolated
        run.cancel()
        with pytest.raises(Cancelled):
            next(run)
    assert asked() == 5
    assert pipeline("a", seed=0, reuse=8).reuse.made == 8  # of a new run: nothing is kept from the other


def test_auto_takes_what_the_bundle_proves(proved, opened, asked):
    result = opened(proved)("a", seed=0, reuse="auto")
    assert asked() == len(MADE)
    assert (result.reuse.schedule, result.reuse.psnr_db) == ("proved", PROOF.psnr_db)


def test_auto_takes_the_fewest_calls(proved, opened, asked):
    other = dataclasses.replace(PROOF, orders=(None, None, *[1] * 17, None))
    bundle = dataclasses.replace(proved, manifest=dataclasses.replace(proved.manifest, reuse=(PROOF, other)))
    opened(bundle)("a", seed=0, reuse="auto")
    assert asked() == 3


@pytest.mark.parametrize(
    "options",
    [
        {"guidance": 2.5},
        {"steps": 19},
        {"sampler": "euler"},
        {"sampler_options": {"timestep_spacing": "trailing"}},
        {"guidance_rescale": 0.5},
        {"width": 72},
        {"image": Image.new("RGB", (64, 64)), "strength": 1.0},
    ],
    ids=" ".join,
)
def test_auto_runs_in_full_where_nothing_was_measured_and_says_so(proved, opened, asked, options):
    with pytest.warns(UserWarning, match="all network calls are made") as caught:
        result = opened(proved)("a", seed=0, reuse="auto", **options)
    assert asked() == options.get("steps", STEPS)
    assert (result.reuse.schedule, result.reuse.made) == ("full", result.reuse.calls)
    assert len(caught) == 1


def test_auto_runs_in_full_with_fresh_noise(proved, opened, asked):
    with pytest.warns(UserWarning, match="all network calls are made"):
        opened(proved)("a", seed=0, reuse="auto", sampler="euler_a")
    assert asked() == STEPS


def test_a_number_takes_the_proved_schedule_where_it_fits(proved, opened):
    pipeline = opened(proved)
    assert pipeline("a", seed=0, reuse=7).reuse.schedule == "proved"
    assert pipeline("a", seed=0, reuse=8).reuse.schedule == "even"
    assert pipeline("a", seed=0, reuse=7, guidance=2.0).reuse.schedule == "even"


@pytest.mark.parametrize("value", [2, 0, -1, True, 8.0, "8", "on", [1]], ids=repr)
def test_what_is_no_number_of_calls_is_refused(many, opened, value):
    with pytest.raises(SettingError, match=r"`reuse` is .*: expected `auto`, `off`, a whole number of at least 3, or"):
        opened(many)("a", reuse=value)


@pytest.mark.parametrize("sampler", ["euler_a", "ddpm", "dpmpp_2m_sde", "dpmpp_sde", "lcm"])
def test_samplers_that_draw_noise_are_refused(many, opened, calls, sampler):
    with pytest.raises(SettingError, match=r"`reuse` is 8: expected `off`, because this sampler draws fresh noise"):
        opened(many)("a", reuse=8, sampler=sampler)
    assert calls == []


def test_models_of_few_steps_are_refused(tiny, opened):
    with pytest.raises(SettingError, match=r"`reuse` is 8: expected `off`, because this model draws in 3 steps"):
        opened(tiny)("a", reuse=8, steps=20)


def test_a_model_of_several_stages_is_refused(many, opened):
    stage = many.manifest.recipe.first
    later = dataclasses.replace(stage, name="later")
    recipe = dataclasses.replace(many.manifest.recipe, stages=(stage, later))
    bundle = dataclasses.replace(many, manifest=dataclasses.replace(many.manifest, recipe=recipe))
    with pytest.raises(SettingError, match="several stages"):
        opened(bundle)("a", reuse=8)


def test_strict_makes_all_calls_from_a_jump_on(many, opened, answers, asked):
    plain, count = answers["unet"], []

    def jumping(feeds):
        count.append(1)
        answer = plain(feeds)
        return {"out_sample": -answer["out_sample"]} if len(count) > 4 else answer

    answers["unet"] = jumping
    lenient = opened(many)("a", seed=0, reuse=8)
    assert (asked(), lenient.reuse.jumped) == (8, None)
    count.clear()
    strict = opened(many, strict=True)("a", seed=0, reuse=8)
    assert (asked(), strict.reuse.jumped) == (5 + 9, 10)  # calls 0, 1, 4, 7 and 10, and all nine after it
    assert max(strict.reuse.errors) > 1


def test_where_all_calls_are_made_nothing_jumps(many, opened, answers):
    plain, count = answers["unet"], []

    def jumping(feeds):
        count.append(1)
        answer = plain(feeds)
        return {"out_sample": -answer["out_sample"]} if len(count) > 4 else answer

    answers["unet"] = jumping
    with pytest.warns(UserWarning, match="all network calls are made"):
        full = opened(many, strict=True)("a", seed=0, reuse="auto")
    assert max(full.reuse.errors) > 1
    assert (full.reuse.made, full.reuse.jumped) == (STEPS, None)


def test_a_picture_carries_what_was_done_and_repeats_with_another_tuning(proved, opened, tmp_path):
    result = opened(proved)("a", seed=4, reuse="auto")
    (path,) = result.save(tmp_path / "x.png")
    metadata = read_metadata(path)
    assert metadata["settings"]["reuse"] == [*PROOF.orders]
    assert (metadata["reuse"]["made"], metadata["reuse"]["psnr_db"]["worst_tenth"]) == (7, 41.5)
    prompt, options = options_of(metadata["settings"])
    fewer = dataclasses.replace(PROOF, orders=(None, None, *[1] * 17, None))
    for proofs, kind in (((PROOF,), "proved"), ((fewer,), "given"), ((), "given")):
        pipeline = opened(dataclasses.replace(proved, manifest=dataclasses.replace(proved.manifest, reuse=proofs)))
        assert pipeline.fingerprint == metadata["fingerprint"]
        again = pipeline(prompt, **options)
        assert again.reuse.schedule == kind
        assert np.array_equal(again.latents, result.latents)


def test_a_picture_drawn_in_full_repeats_without_reuse(many, opened, tmp_path):
    with pytest.warns(UserWarning, match="all network calls are made"):
        (path,) = opened(many)("a", seed=4, reuse="auto", sampler="euler_a").save(tmp_path / "x.png")
    assert read_metadata(path)["settings"]["reuse"] == "off"


def test_orders_of_another_run_are_refused(proved, opened):
    with pytest.raises(SettingError, match=r"`reuse` is .*: expected 12 orders, one for each network call|at most 12"):
        opened(proved)("a", reuse=PROOF.orders, steps=12)
    with pytest.raises(SettingError, match=r"`reuse` is .*: expected 30 orders, one for each network call"):
        opened(proved)("a", reuse=PROOF.orders, steps=30)


def test_a_choice_that_the_proof_did_not_make_is_not_proved(proved):
    settings = resolve_settings(proved.manifest.recipe, proved.manifest.defaults, "a", {}, image_size=None)
    sampler = sampler_for(proved.manifest.recipe.first, settings, proved.manifest.scheduler)

    def kind(**changed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asked = dataclasses.replace(settings, reuse="auto", **changed)
            return reuse_of(proved.manifest, asked, [sampler], strict=False).kind

    assert kind() == "proved"
    assert kind(prompts=("b", "c"), negative_prompts=("d", "d"), images_per_prompt=2, seed=5, tile=64) == "proved"
    assert kind(choices={"true_guidance": 4.0}) == "full"
    assert kind(choices={"crop_left": 64}) == "full"
    assert kind(guided=False) == "full"
    assert kind(task="image-to-image") == "full"


def test_the_manifest_is_read_as_it_was_written(proved):
    text = proved.manifest.to_json()
    assert Manifest.from_json(text) == proved.manifest
    assert json.loads(text)["reuse"][0]["orders"][:4] == [None, None, 1, None]


def test_a_manifest_without_schedules_is_as_before(many):
    assert "reuse" not in json.loads(many.manifest.to_json())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orders", [None, None]),
        ("orders", [None, 1, None, None]),
        ("orders", [None, None, 3, None]),
        ("orders", [None, None, True, None]),
        ("orders", [None, None, 1]),
        ("orders", [None] * 1000),
        ("steps", 0),
        ("guidance", "high"),
        ("sampler", 1),
        ("width", 10**9),
        ("psnr_db", {"mean": 45.0}),
        ("error", None),
        ("pictures", []),
        ("engine", ""),
        ("execution", None),
        ("threads", 0),
    ],
    ids=str,
)
def test_wrong_fields_are_named(proved, field, value):
    values = json.loads(proved.manifest.to_json())
    values["reuse"][0][field] = value
    with pytest.raises(ManifestError, match=rf"`reuse\[0\]\.{field}"):
        Manifest.from_json(json.dumps(values))
