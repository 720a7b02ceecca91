"""Configs of others that say what no model has: refused by the field's name."""

from __future__ import annotations

import pytest

from edgediff_runtimes.errors import ManifestError
from edgediff_runtimes.families import Configs, family_of

LATENTS = {"latent_channels": 4, "block_out_channels": [8, 8]}
FILMS = {"z_dim": 2, "temperal_downsample": [True], "latents_mean": [0.0, 0.5], "latents_std": [1.0, 2.0]}


def _lumina2(**scheduler):
    configs = {"text_encoder": {"num_hidden_layers": 2}, "vae": LATENTS}
    return family_of("Lumina2Pipeline").recipe(Configs({}, configs, scheduler))


def _qwen_image(**vae):
    configs = {"text_encoder": {"num_hidden_layers": 2}, "vae": {**FILMS, **vae}}
    return family_of("QwenImagePipeline").recipe(Configs({}, configs))


def test_lumina2_counts_time_in_its_schedulers_steps():
    assert [_lumina2(**given).first.network[0].over for given in ({}, {"num_train_timesteps": 50})] == [-1000.0, -50.0]


@pytest.mark.parametrize("steps", ["x", [], None, 0, 10**9, 1e400])
def test_no_number_of_training_timesteps(steps):
    with pytest.raises(ManifestError, match=r"`scheduler_config.json.num_train_timesteps` is .*: expected a whole"):
        _lumina2(num_train_timesteps=steps)


@pytest.mark.parametrize("name", ["latents_mean", "latents_std"])
@pytest.mark.parametrize("numbers", [["a", "b"], [[1], [2, 3]], [None, None], [1.0], [1.0, 1e400], [True, 1.0]])
def test_latents_are_not_scaled_by_what_is_no_number(name, numbers):
    with pytest.raises(ManifestError, match=rf"`vae/config.json.{name}` is .*: expected 2 finite numbers"):
        _qwen_image(**{name: numbers})


def test_no_deviation_is_zero():
    with pytest.raises(ManifestError, match=r"`vae/config.json.latents_std` is \[0, 1\]: expected 2 numbers, each"):
        _qwen_image(latents_std=[0, 1])
    assert _qwen_image(latents_mean=[0, 1])
