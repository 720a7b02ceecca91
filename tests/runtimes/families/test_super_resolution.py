"""Models for super-resolution: sizes, the level of noise, and what is asked of them in vain."""

from __future__ import annotations

import pytest

from edgediff_runtimes.errors import ManifestError, SettingError
from edgediff_runtimes.families import Configs, family_of
from edgediff_runtimes.recipe.declarations import Noised
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.resolve import resolve_settings

VAE = {"latent_channels": 4, "block_out_channels": [1, 1, 1]}
NOISES = {"_class_name": "DDPMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.0001, "beta_end": 0.02}


def _upscaler(index=None, **noises):
    return Configs(
        {"_class_name": "StableDiffusionUpscalePipeline", **(index or {})},
        {"low_res_scheduler": {**NOISES, **noises}, "unet": {"sample_size": 128}, "vae": VAE},
    )


LDM = Configs({"_class_name": "LDMSuperResolutionPipeline"}, {"unet": {}, "vqvae": {**VAE, "latent_channels": 3}})


@pytest.fixture
def resolve():
    def resolve(configs, prompt, *, image=(50, 37), **options):
        family = family_of(configs.class_name)
        if image is not None:
            options["image"] = "small.png"
        recipe, defaults = family.recipe(configs), family.defaults(configs)
        return resolve_settings(recipe, defaults, prompt, Options(**options), image_size=image)

    return resolve


def test_a_picture_becomes_four_times_as_large(resolve):
    settings = resolve(_upscaler(), "a")
    assert (settings.width, settings.height) == (4 * 48, 4 * 36)
    assert (settings.steps, settings.guidance, settings.choices) == (75, 9.0, {"noise_level": 20})
    assert (settings.strength, settings.encode, settings.task) == (None, None, "super-resolution")
    settings = resolve(LDM, None, image=(70, 40))
    assert (settings.width, settings.height) == (4 * 64, 4 * 32)
    assert (settings.steps, settings.guidance) == (100, None)


def test_another_size_is_that_of_the_result(resolve):
    settings = resolve(_upscaler(), "a", width=512, height=256)
    assert (settings.width, settings.height) == (512, 256)


def test_the_levels_are_those_that_it_was_taught():
    for configs, count in ((_upscaler(), 351), (_upscaler({"max_noise_level": 100}), 101)):
        (part,) = (
            part
            for part in family_of(configs.class_name).recipe(configs).first.tasks["super-resolution"]
            if isinstance(part, Noised)
        )
        assert len(part.signal) == count
        assert part.signal[0] == pytest.approx(1 - 0.0001, abs=1e-6)
        assert all(one > next_ for one, next_ in zip(part.signal, part.signal[1:], strict=False))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"noise_level": 351}, "`noise_level` is 351: expected a whole number from 0 to 350"),
        ({"noise_level": -1}, "`noise_level` is -1: expected a whole number from 0 to 350"),
        ({"noise_level": 2.5}, "`noise_level` is 2.5: expected a whole number from 0 to 350"),
        ({}, "`image` is None: expected a picture, because the bundle draws from one"),
        ({"strength": 0.5}, "`strength` is 0.5: expected nothing, because the bundle's model does not take it"),
        ({"enlarge": 2}, "`enlarge` is 2: expected nothing, because the bundle's model draws from no picture"),
        ({"width": 200}, "`width` is 200: expected a multiple of 16"),
    ],
)
def test_what_it_does_not_take_is_refused(resolve, options, sentence):
    image = (64, 64) if options else None
    with pytest.raises(SettingError) as caught:
        resolve(_upscaler(), "a", image=image, **options)
    assert caught.value.sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("configs", "sentence"),
    [
        (_upscaler(_class_name="LCMTurboScheduler"), "`low_res_scheduler/config.json._class_name` is 'LCMTurboSch"),
        (_upscaler(beta_schedule="steep"), "`low_res_scheduler/config.json.beta_schedule` is 'steep'"),
        (_upscaler(num_train_timesteps=10**9), "`low_res_scheduler/config.json.num_train_timesteps` is 1000000000"),
        (_upscaler({"max_noise_level": "all"}), "`model_index.json.max_noise_level` is 'all'"),
    ],
)
def test_configs_that_no_model_has_are_refused(configs, sentence):
    with pytest.raises(ManifestError) as caught:
        family_of(configs.class_name).recipe(configs)
    assert sentence in caught.value.sentence
