"""What a pipeline draws, with an engine of NumPy functions: calls, order, seeds, settings."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes import components
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import BundleError, EngineError, ImageError, RecipeError, SamplerError, SettingError
from edgediff_runtimes.picture_files import read_metadata
from edgediff_runtimes.pipeline import Pipeline
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.settings.resolve import options_of
from edgediff_runtimes.text import PromptTruncationWarning


@pytest.fixture
def pipeline(tiny, fake_engine):
    with Pipeline(tiny, Placement(engine=fake_engine)) as pipeline:
        yield pipeline


@pytest.fixture
def picture():
    y, x = np.mgrid[0:72, 0:48].astype(np.uint8)
    return Image.fromarray(np.stack([x * 5, y * 3, x + y], axis=-1))


def _roles(calls):
    return [role for role, _ in calls]


def _with_stage(bundle, stage):
    """The bundle with another recipe of one stage."""
    return dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, recipe=Recipe((stage,))))


def _same(first, second):
    return np.array_equal(np.asarray(first), np.asarray(second))


def test_text_to_image(pipeline, calls):
    result = pipeline("a red apple", seed=3)
    assert _roles(calls) == ["text_encoder", "unet", "unet", "unet", "vae_decoder"]
    assert calls[0][1]["input_ids"] == (2, 12)
    assert calls[1][1] == {"sample": (2, 4, 8, 8), "timestep": (), "encoder_hidden_states": (2, 12, 8)}
    assert [image.size for image in result.images] == [(64, 64)]
    assert result.latents.shape == (1, 4, 8, 8)
    assert result.latents.dtype == np.float32
    assert (result.seed, result.seeds) == (3, (3,))
    assert len({tuple(pixel) for pixel in np.asarray(result.images[0]).reshape(-1, 3)}) > 8


def test_what_is_decoded_is_scaled_and_shifted(tiny, fake_engine, answers):
    seen = []
    decode = answers["vae_decoder"]
    answers["vae_decoder"] = lambda feeds: seen.append(feeds["latent_sample"]) or decode(feeds)
    stage = tiny.manifest.recipe.first
    scaled = (dataclasses.replace(stage.result[0], over=0.25, plus=0.125), *stage.result[1:])
    bundle = _with_stage(tiny, dataclasses.replace(stage, result=scaled))
    with Pipeline(bundle, Placement(engine=fake_engine)) as pipeline:
        result = pipeline("a", seed=0)
    np.testing.assert_allclose(seen[0], result.latents / 0.25 + 0.125, rtol=1e-6)


def test_a_size_that_is_fixed(tiny, fake_engine, picture, calls):
    with Pipeline(tiny, Placement(engine=fake_engine, static=(32, 48))) as pipeline:
        assert pipeline("a").images[0].size == (32, 48)
        assert pipeline("a", image=picture, width=32).images[0].size == (32, 48)
        before = len(calls)
        with pytest.raises(SettingError) as caught:
            pipeline("a", height=32)
    assert caught.value.sentence == "`height` is 32: expected 48, because the bundle was loaded for 32x48 alone"
    assert len(calls) == before


def test_a_size_that_is_fixed_must_be_one_of_the_model(tiny, fake_engine):
    with pytest.raises(
        SettingError, match="`static` is '33x48': expected a size that the model draws, where `width` is 33: e"
    ):
        Pipeline(tiny, Placement(engine=fake_engine, static=(33, 48)))
    assert fake_engine.open_sessions == []


def test_without_guidance_the_batch_is_not_doubled(pipeline, calls):
    pipeline("a", seed=0, guidance=1.0, images=3)
    assert calls[0][1]["input_ids"] == (1, 12)
    assert [shapes["sample"][0] for role, shapes in calls if role == "unet"] == [3, 3, 3]


def test_split_guidance_draws_the_same(tiny, fake_engine, pipeline, calls):
    expected = pipeline("a", seed=0)
    calls.clear()
    with Pipeline(tiny, Placement(engine=fake_engine), split_guidance=True) as split:
        got = split("a", seed=0)
    assert [shapes["sample"][0] for role, shapes in calls if role == "unet"] == [1] * 6
    np.testing.assert_allclose(got.latents, expected.latents, atol=1e-5)


def test_the_same_seed_draws_the_same_and_another_another(pipeline):
    first, again, other = (pipeline("a", seed=seed) for seed in (1, 1, 2))
    assert _same(first.latents, again.latents)
    assert _same(first.images[0], again.images[0])
    assert np.abs(first.latents - other.latents).max() > 0.1


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a cat"},
        {"negative_prompt": "dull"},
        {"guidance": 9.0},
        {"guidance_rescale": 0.9},
        {"steps": 4},
        {"noise": "numpy"},
        {"sampler": "euler"},
        {"sampler_options": {"timestep_spacing": "trailing"}},
        {"sampler_options": {"eta": 1.0}},
    ],
    ids=str,
)
def test_every_setting_changes_the_picture(pipeline, change):
    options = {"prompt": "a red apple", "seed": 0}
    usual, changed = pipeline(**options), pipeline(**{**options, **change})
    assert not _same(usual.latents, changed.latents)


@pytest.mark.parametrize(("width", "height"), [(128, 64), (8, 8), (64, 72)])
def test_sizes(pipeline, width, height):
    result = pipeline("a", seed=0, width=width, height=height)
    assert result.images[0].size == (width, height)
    assert result.latents.shape == (1, 4, height // 8, width // 8)


@pytest.mark.parametrize("sampler", [None, "euler_a", "ddpm"])
@pytest.mark.parametrize("image_to_image", [False, True])
def test_every_picture_of_a_batch_can_be_drawn_alone(pipeline, picture, sampler, image_to_image):
    options = {"sampler": sampler, "steps": 4, **({"image": picture} if image_to_image else {})}
    prompts, negatives = ["a red apple", "the cat"], ["dull", "grey"]
    batch = pipeline(prompts, negative_prompt=negatives, images=2, seed=40, **options)
    assert batch.seeds == (40, 41, 42, 43)
    for i in range(4):
        alone = pipeline(prompts[i // 2], negative_prompt=negatives[i // 2], seed=40 + i, **options)
        np.testing.assert_allclose(batch.latents[i : i + 1], alone.latents, atol=1e-5)
        assert np.abs(np.asarray(batch.images[i], int) - np.asarray(alone.images[0], int)).max() <= 1
    assert np.abs(batch.latents[0] - batch.latents[1]).max() > 1e-2


def test_large_pictures_are_read_and_decoded_in_tiles(pipeline, calls, picture, tmp_path):
    result = pipeline("a red apple", image=picture.resize((272, 208)), steps=4, strength=0.5, seed=3, tile=198)
    shapes = [shape["sample"][-2:] for role, shape in calls if role == "vae_encoder"]
    assert shapes == [(136, 168)] * 2 * 2  # 208x272 pixels in tiles of at most 192, which share 64
    assert [shape["latent_sample"] for role, shape in calls if role == "vae_decoder"] == [(1, 4, 17, 21)] * 4
    assert result.images[0].size == (272, 208)
    assert result.settings.tile == 192
    [path] = result.save(tmp_path / "tiled.png")
    _, again = options_of(read_metadata(path)["settings"])
    assert again["tile"] == 192
    assert pipeline("a red apple", width=128, height=64, seed=3, tile=192).settings.tile is None


@pytest.mark.parametrize("residency", ["resident", "sequential"])
def test_equal_calls_are_cut_into_equal_tiles(tiny, fake_engine, monkeypatch, residency):
    left = iter([1 << 30, 300 << 20, 1, 2 << 30])  # what the first call allocated is kept for the next, and is not lost
    monkeypatch.setattr(components, "available_bytes", lambda: next(left))
    with Pipeline(tiny, Placement(engine=fake_engine, residency=residency)) as drawing:
        tiles = [drawing("a", width=512, height=512, steps=1, tile="auto").settings.tile for _ in range(2)]
    assert tiles == [280, 280]


def test_image_to_image(pipeline, calls, picture):
    result = pipeline("a", image=picture, strength=0.7, steps=4, seed=0)
    assert _roles(calls) == ["text_encoder", "vae_encoder", "unet", "unet", "vae_decoder"]
    assert calls[1][1] == {"sample": (1, 3, 72, 48)}
    assert result.images[0].size == (48, 72)
    assert (result.settings.strength, result.settings.encode) == (0.7, "sample")


def test_image_to_image_sees_the_image(pipeline, picture):
    options = {"seed": 0, "encode": "mode", "strength": 0.4, "steps": 5}
    first = pipeline("a", image=picture, **options)
    second = pipeline("a", image=picture.rotate(180), **options)
    assert np.abs(first.latents - second.latents).max() > 0.1


def test_the_mode_of_the_encoder_draws_no_noise(pipeline, picture):
    sampled, mode = (pipeline("a", image=picture, seed=0, encode=encode) for encode in ("sample", "mode"))
    assert not _same(sampled.latents, mode.latents)


def test_an_image_may_be_a_path(pipeline, picture, tmp_path):
    picture.save(tmp_path / "start.png")
    path = pipeline("a", image=tmp_path / "start.png", seed=0)
    assert _same(path.latents, pipeline("a", image=picture, seed=0).latents)


def test_a_strength_that_leaves_no_step_is_refused(pipeline, picture, calls):
    with pytest.raises(SamplerError, match="strength"):
        pipeline("a", image=picture, strength=0.2, steps=3)
    assert calls == []


@pytest.mark.parametrize(
    "options",
    [
        {"colour": "red"},
        {"sampler": "eulr"},
        {"sampler_options": {"colour": 1}},
        {"sampler_options": {"beta_schedule": "wavy"}},
        {"steps": 5000},
        {"noise": "dice"},
        {"width": 65},
    ],
    ids=str,
)
def test_what_cannot_be_applied_is_refused_before_anything_runs(pipeline, fake_engine, calls, options):
    with pytest.raises(SettingError):
        pipeline.stream("a", **options)
    assert (calls, fake_engine.open_sessions) == ([], [])


def test_steps_come_in_order_and_once(pipeline):
    steps = []
    result = pipeline("a", seed=0, steps=5, on_step=steps.append)
    assert [step.index for step in steps] == [0, 1, 2, 3, 4]
    assert {step.total for step in steps} == {5}
    assert all(earlier.sigma > later.sigma for earlier, later in itertools.pairwise(steps))
    assert all(earlier.timestep > later.timestep for earlier, later in itertools.pairwise(steps))
    np.testing.assert_array_equal(steps[-1].latents, result.latents)
    assert all(not np.shares_memory(a.latents, b.latents) for a, b in itertools.pairwise(steps))


def test_a_step_is_told_before_the_next_one_begins(pipeline, calls):
    seen = []
    pipeline("a", seed=0, on_step=lambda step: seen.append((step.index, _roles(calls).count("unet"))))
    assert seen == [(0, 1), (1, 2), (2, 3)]


def test_a_preview_is_the_linear_map_of_what_is_denoised(pipeline, calls):
    steps = []
    pipeline("a", seed=0, images=2, on_step=steps.append)
    before = len(calls)
    previews = steps[0].preview()
    assert [preview.size for preview in previews] == [(64, 64)] * 2
    table = np.array(pipeline.bundle.manifest.recipe.first.space.preview)
    colours = np.tensordot(steps[0].denoised[1], table[:-1], axes=(0, 0)) + table[-1]
    middle = np.asarray(previews[1].resize((8, 8), Image.Resampling.BOX), float) / 255
    assert np.abs(middle - np.clip(colours, 0, 1)).mean() < 0.1
    assert len(calls) == before


def test_without_a_preview_map_a_preview_is_refused(tiny, fake_engine):
    stage = tiny.manifest.recipe.first
    bundle = _with_stage(tiny, dataclasses.replace(stage, space=dataclasses.replace(stage.space, preview=None)))
    with Pipeline(bundle, Placement(engine=fake_engine)) as pipeline, pipeline.stream("a", seed=0) as run:
        step = next(run)
        with pytest.raises(SettingError, match="preview"):
            step.preview()


def test_timings_cover_every_phase(pipeline, picture):
    timings = pipeline("a", image=picture, strength=1.0, seed=0).timings
    assert len(timings.steps_s) == 3
    assert min(timings.text_s, timings.encode_s, timings.decode_s, *timings.steps_s) > 0
    assert timings.total_s >= timings.text_s + timings.encode_s + timings.decode_s + sum(timings.steps_s)


def test_pictures_are_saved_with_the_settings_that_draw_them_again(pipeline, tmp_path):
    result = pipeline(["a red apple", "the cat"], seed=7, images=2, guidance_rescale=0.5)
    paths = result.save(tmp_path / "out.png")
    assert [path.name for path in paths] == ["out-0.png", "out-1.png", "out-2.png", "out-3.png"]
    for index, path in enumerate(paths):
        metadata = read_metadata(path)
        assert metadata["bundle"] == "bundle"
        assert metadata["fingerprint"] == pipeline.fingerprint
        prompt, options = options_of(metadata["settings"])
        again = pipeline(prompt, **options)
        assert np.abs(np.asarray(again.images[0], int) - np.asarray(result.images[index], int)).max() <= 1


@pytest.mark.parametrize(
    "others", [{"mask": "x.png"}, {"choices": {"image": "x.png"}}, {"choices": {"control_image": "x.png"}}], ids=str
)
def test_a_picture_s_settings_name_no_other_files(pipeline, others):
    settings = pipeline("a", seed=1, steps=1).settings.of_image(0)
    assert options_of(settings)[0] == "a"
    with pytest.raises(ImageError, match="are not those of this edgediff"):
        options_of({**settings, **others})


def test_the_warning_of_a_long_prompt_points_at_the_caller(pipeline):
    for draw in (pipeline, lambda text: pipeline.stream(text).result):
        with pytest.warns(PromptTruncationWarning) as caught:
            draw("the cat and " * 20)
        assert [warning.filename for warning in caught] == [__file__]


def test_arrays_are_not_printed(pipeline):
    with pipeline.stream("a", seed=0) as run:
        step = next(run)
        assert "array" not in repr(step) + repr(run.result)
        assert "timestep=" in repr(step)
        assert "settings=" in repr(run.result)


def test_one_picture_keeps_its_name(pipeline, tmp_path):
    assert pipeline("a", seed=0).save(str(tmp_path / "out.png")) == [tmp_path / "out.png"]


def test_the_fingerprint_tells_bundles_apart(tiny, bundle_dir, fake_engine):
    path = bundle_dir / "edgediff.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["components"]["unet"]["files"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(values), encoding="utf-8")
    one, same, other = (
        Pipeline(bundle, Placement(engine=fake_engine)).fingerprint for bundle in (tiny, tiny, Bundle.open(bundle_dir))
    )
    assert one == same != other


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"tokenizers": ()}, BundleError),
        ({"components": {}}, BundleError),
    ],
    ids=["tokenizers", "components"],
)
def test_a_bundle_that_cannot_be_run_is_refused_at_once(tiny, fake_engine, change, error):
    bundle = dataclasses.replace(tiny, manifest=dataclasses.replace(tiny.manifest, **change))
    with pytest.raises(error):
        Pipeline(bundle, Placement(engine=fake_engine))


def test_a_bundle_without_an_encoder_refuses_an_image(tiny, fake_engine, picture, calls):
    components = {role: part for role, part in tiny.manifest.components.items() if role != "vae_encoder"}
    manifest = dataclasses.replace(tiny.manifest, components=components)
    with pytest.raises(RecipeError, match=r"`base` \(image-to-image\) computes `vae_encoder`"):
        Pipeline(dataclasses.replace(tiny, manifest=manifest), Placement(engine=fake_engine))
    only_text = dataclasses.replace(manifest, recipe=manifest.recipe.only(list(components)))
    with (
        Pipeline(dataclasses.replace(tiny, manifest=only_text), Placement(engine=fake_engine)) as pipeline,
        pytest.raises(SettingError, match=r"`image` is .*: expected nothing"),
    ):
        pipeline("a", image=picture)
    assert calls == []


def test_an_unknown_residency_is_refused(tiny, fake_engine):
    with pytest.raises(SettingError, match="residency"):
        Pipeline(tiny, Placement(engine=fake_engine, residency="sometimes"))


def test_a_closed_pipeline_draws_nothing(tiny, fake_engine):
    pipeline = Pipeline(tiny, Placement(engine=fake_engine))
    pipeline("a", seed=0)
    pipeline.close()
    pipeline.close()
    assert fake_engine.open_sessions == []
    for draw in (pipeline, pipeline.stream):
        with pytest.raises(EngineError, match="the pipeline is closed"):
            draw("a")


def test_cfg_plus_plus_draws_with_guidance_and_is_refused_without(pipeline):
    assert pipeline("a", sampler="euler_cfg_pp", guidance=1.5, seed=1).images
    with pytest.raises(SamplerError, match="guidance above 1"):
        pipeline("a", sampler="euler_cfg_pp", guidance=1.0)


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"sampler_options": {"timesteps": [900, 500, 100]}}, 3),
        ({"sampler_options": {"timesteps": [900, 500, 100]}, "steps": 3}, 3),
        ({"sampler_options": {"sigmas": [10.0, 1.0, 0.1, 0.0]}}, 3),
        ({"sampler_options": {"timesteps": None}}, 3),
    ],
    ids=str,
)
def test_a_grid_of_ones_own_needs_no_steps_and_is_drawn_again(pipeline, tmp_path, options, total):
    result = pipeline("a", sampler="euler", seed=1, **options)
    assert len(result.timings.steps_s) == total
    (path,) = result.save(tmp_path / "x.png")
    prompt, recorded = options_of(read_metadata(path)["settings"])
    assert _same(pipeline(prompt, **recorded).latents, result.latents)


def test_steps_beside_a_grid_of_ones_own_must_agree(pipeline):
    with pytest.raises(SamplerError, match="`steps` is 4: expected 3"):
        pipeline("a", sampler="euler", steps=4, sampler_options={"timesteps": [900, 500, 100]})


def test_tcd_draws_without_fresh_noise_unless_asked_as_in_diffusers_pipelines(pipeline):
    default, none, some = (
        pipeline("a", sampler="tcd", seed=1, sampler_options=options).latents
        for options in ({}, {"eta": 0.0}, {"eta": 0.3})
    )
    assert _same(default, none)
    assert not _same(default, some)
