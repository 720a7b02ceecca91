"""A noisy picture denoised from a level in the middle of the schedule, as diffusers' schedulers and networks do it.

diffusers has no pipeline for it: the loops here are those of its pipelines, from the time step on whose noise level is
the picture's. Bounds: final samples 1e-3 of their largest value, pictures 2/255.
"""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from drawn_by_families import MODELS
from PIL import Image

import edgediff
from edgediff_runtimes.errors import SettingError

SIZE = (24, 16)  # width, height
STEPS = 40


@pytest.fixture
def noisy():
    """A picture with noise of 0.1, black being 0 and white 1."""
    clean = np.linspace(0.3, 0.7, SIZE[0])[None, :, None] * np.ones((SIZE[1], 1, 3))
    levels = 255 * (clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape))
    return Image.fromarray(levels.round().clip(0, 255).astype(np.uint8))


def _array(picture, *, darkest):
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)[None]
    return pixels * (1 - darkest) + darkest


def _generator(index=0):
    return torch.Generator("cpu").manual_seed(7 + index)


def _same(result, sample, *, darkest):
    assert np.abs(result.latents - sample.numpy()).max() <= 1e-3 * np.abs(sample.numpy()).max()
    expected = ((sample - darkest) / (1 - darkest)).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    for image, levels in zip(result.images, (expected * 255).round(), strict=True):
        assert np.abs(np.asarray(image, np.int16) - levels).max() <= 2


def _folder(exported_family, name):
    model = MODELS[name]
    folder = exported_family(model)
    return model.load(folder / "source"), folder / "bundle"


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
@torch.no_grad()
def test_a_variance_preserving_model(exported_family, noisy, sampler):
    """From the picture times the root of alpha-bar, at the step whose ratio of noise to picture is twice the level."""
    pipeline, bundle = _folder(exported_family, "ddpm")
    kind = diffusers.DDPMScheduler if sampler == "ddpm" else diffusers.DDIMScheduler
    scheduler = kind.from_config(pipeline.scheduler.config)
    scheduler.set_timesteps(STEPS)
    kept = scheduler.alphas_cumprod[scheduler.timesteps]
    first = int(((1 - kept).sqrt() / kept.sqrt() - 2 * 0.1).abs().argmin())
    samples = []
    for index in range(2):
        sample, generator = kept[first].sqrt() * _array(noisy, darkest=-1.0), _generator(index)
        for t in scheduler.timesteps[first:]:
            sample = scheduler.step(pipeline.unet(sample, t).sample, t, sample, generator=generator).prev_sample
        samples.append(sample)
    with edgediff.load(bundle) as ours:
        result = ours(denoise=noisy, noise_level=0.1, seed=7, images=2, steps=STEPS, sampler=sampler)
    assert len(result.timings.steps_s) == STEPS - first < STEPS // 2
    _same(result, torch.cat(samples), darkest=-1.0)


@pytest.mark.slow
@pytest.mark.nightly
@torch.no_grad()
def test_a_variance_exploding_model(exported_family, noisy):
    """From the picture itself, whose black is 0: the level needs no factor."""
    pipeline, bundle = _folder(exported_family, "score-sde")
    scheduler, generator = pipeline.scheduler, _generator()
    scheduler.set_timesteps(STEPS)
    scheduler.set_sigmas(STEPS)
    first = int((scheduler.sigmas - 0.1).abs().argmin())
    sample = mean = _array(noisy, darkest=0.0)
    for t, sigma in zip(scheduler.timesteps[first:], scheduler.sigmas[first:], strict=True):
        told = sigma * torch.ones(1)
        for _ in range(scheduler.config.correct_steps):
            sample = scheduler.step_correct(pipeline.unet(sample, told).sample, sample, generator=generator).prev_sample
        out = scheduler.step_pred(pipeline.unet(sample, told).sample, t, sample, generator=generator)
        sample, mean = out.prev_sample, out.prev_sample_mean
    with edgediff.load(bundle) as ours:
        _same(ours(denoise=noisy, noise_level=0.1, seed=7, steps=STEPS), mean, darkest=0.0)


def test_what_was_estimated_is_told_and_draws_the_same_again(exported_family, noisy):
    _, bundle = _folder(exported_family, "ddpm")
    with edgediff.load(bundle) as ours:
        first = ours(denoise=noisy, seed=7, steps=STEPS)
        level = first.settings.option("noise_level")
        again = ours(denoise=noisy, seed=7, steps=STEPS, noise_level=level)
    assert 0.08 < level < 0.12
    assert first.settings.task == "denoising"
    assert np.array_equal(first.latents, again.latents)


def test_a_picture_is_cut_and_never_resized(exported_family, noisy):
    _, bundle = _folder(exported_family, "ddpm")  # whose pictures have even sides
    with edgediff.load(bundle) as ours:
        result = ours(denoise=noisy.crop((0, 0, 23, 15)), noise_level=0.1, seed=7, steps=STEPS)
        assert result.images[0].size == (22, 14)
        whole = ours(denoise=noisy.crop((0, 0, 22, 14)), noise_level=0.1, seed=7, steps=STEPS)
        assert np.array_equal(result.latents, whole.latents)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"noise_level": 0}, "`noise_level` is 0: expected a number above 0"),
        ({"noise_level": "much"}, "`noise_level` is 'much': expected a finite number"),
        ({"noise_level": 0.1, "steps": 2}, "expected a level that this schedule has, of which"),
        ({"noise_level": 1e6}, "expected a level that this schedule has, of which"),
        ({"width": 32}, "`width` is 32: expected 24, because a noisy picture is not resized"),
        ({"strength": 0.5}, "`strength` is 0.5: expected nothing"),
        (
            {"denoise": Image.new("RGB", (24, 1)), "noise_level": 0.1},
            "`denoise` is 'one of 24x1': expected a picture of at least 2x2",
        ),
        ({"denoise": Image.new("RGB", (24, 16))}, "`noise_level` is None: expected a number above 0, because no noise"),
        ({"denoise": None, "noise_level": 0.1}, "`noise_level` is 0.1: expected nothing, because there is no image"),
        ({"image": Image.new("RGB", (24, 16))}, "expected nothing, because the bundle"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_denoised_is_refused(exported_family, noisy, options, sentence):
    _, bundle = _folder(exported_family, "ddpm")
    with edgediff.load(bundle) as ours, pytest.raises(SettingError) as caught:
        ours.stream(**{"denoise": noisy, "steps": STEPS, **options})
    assert sentence in caught.value.sentence
