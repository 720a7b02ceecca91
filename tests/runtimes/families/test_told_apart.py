"""Models of one family that are told apart by their configs: their defaults, and what their networks are told."""

from __future__ import annotations

import pytest

from edgediff_runtimes.errors import ManifestError
from edgediff_runtimes.families import Configs, family_of

VAE = {"latent_channels": 16, "block_out_channels": [1, 1, 1, 1]}
FLUX = {"axes_dims_rope": [16, 56, 56]}
SD3 = {"sample_size": 128, "patch_size": 2, "pos_embed_max_size": 192, "joint_attention_dim": 4096, "num_layers": 24}
CLIP = {"num_hidden_layers": 12, "max_position_embeddings": 77}
PIXART = {"sample_size": 128, "patch_size": 2}
AURA = {"patch_size": 2, "pos_embed_max_size": 4096}

SANA_VAE = {"latent_channels": 32, "encoder_block_out_channels": [1] * 6, "scaling_factor": 0.41407}

# pipeline, the transformer's config; steps, guidance and pixels that the bundle recommends
MODELS = [
    ("FluxPipeline", {**FLUX, "guidance_embeds": True}, (28, 3.5, 1024)),
    ("FluxPipeline", {**FLUX, "guidance_embeds": False}, (4, 1.0, 1024)),
    ("StableDiffusion3Pipeline", SD3, (28, 7.0, 1024)),
    ("StableDiffusion3Pipeline", {**SD3, "dual_attention_layers": [0, 1]}, (40, 4.5, 1024)),
    ("StableDiffusion3Pipeline", {**SD3, "num_layers": 38}, (28, 3.5, 1024)),
    ("PixArtAlphaPipeline", {**PIXART, "sample_size": 64}, (20, 4.5, 512)),
    ("HunyuanDiTPipeline", PIXART, (50, 5.0, 1024)),
    ("AuraFlowPipeline", AURA, (50, 3.5, 1024)),
    ("AuraFlowPipeline", {**AURA, "pos_embed_max_size": 1024}, (50, 3.5, 512)),
]


def configs(pipeline, transformer):
    folders = {"transformer": transformer, "vae": VAE, "text_encoder": CLIP, "text_encoder_2": CLIP}
    return Configs({"_class_name": pipeline}, folders)


def fed(recipe):
    return set(recipe.network.feeds)


@pytest.mark.parametrize(("pipeline", "transformer", "expected"), MODELS)
def test_defaults(pipeline, transformer, expected):
    defaults = family_of(pipeline).defaults(configs(pipeline, transformer))
    assert (defaults.steps, defaults.guidance, defaults.width) == expected
    assert defaults.height == defaults.width


def test_the_steps_of_stable_diffusion_3_5_large_are_to_be_said():
    family = family_of("StableDiffusion3Pipeline")
    assert "Large Turbo" in family.doubts(configs("StableDiffusion3Pipeline", {**SD3, "num_layers": 38}))
    assert family.doubts(configs("StableDiffusion3Pipeline", SD3)) is None


def test_only_flux_dev_is_told_its_guidance():
    recipes = [
        family_of("FluxPipeline").recipe(configs("FluxPipeline", {**FLUX, "guidance_embeds": told}))
        for told in (True, False)
    ]
    assert fed(recipes[0]) - fed(recipes[1]) == {"guidance"}
    assert ["guidance" in recipe.options for recipe in recipes] == [True, False]
    lengths = [next(part for part in recipe.first.given if part.writes == ("ids_2",)).length for recipe in recipes]
    assert lengths == [512, 256]


@pytest.mark.parametrize(
    ("pipeline", "transformer", "told"),
    [
        ("PixArtAlphaPipeline", PIXART, True),
        ("PixArtAlphaPipeline", {**PIXART, "sample_size": 64}, False),
        ("PixArtSigmaPipeline", {**PIXART, "use_additional_conditions": False}, False),
    ],
)
def test_the_pixart_for_large_pictures_is_told_their_size(pipeline, transformer, told):
    recipe = family_of(pipeline).recipe(configs(pipeline, transformer))
    assert ("resolution" in fed(recipe)) is told


@pytest.mark.parametrize(("config", "told"), [({}, True), ({"use_style_cond_and_image_meta_size": False}, False)])
def test_the_hunyuan_dits_before_1_2_are_told_sizes(config, told):
    recipe = family_of("HunyuanDiTPipeline").recipe(configs("HunyuanDiTPipeline", {**PIXART, **config}))
    assert ("image_meta_size" in fed(recipe)) is told
    assert ("original_width" in recipe.options) is told


def test_a_picture_is_no_larger_than_the_table_of_positions():
    recipe = family_of("StableDiffusion3Pipeline").recipe(configs("StableDiffusion3Pipeline", SD3))
    assert (recipe.first.space.multiple, recipe.first.space.largest) == (16, 3072)


def sprint(**scheduler):
    configs = Configs({"_class_name": "SanaSprintPipeline"}, {"transformer": {}, "vae": SANA_VAE}, scheduler)
    return family_of("SanaSprintPipeline"), configs


def test_sana_sprint_needs_fewer_steps_and_no_second_call():
    family, configs = sprint()
    sana = family_of("SanaPipeline")
    assert [one.defaults(configs).steps for one in (sana, family)] == [20, 2]
    assert [one.recipe(configs).first.guidance is None for one in (sana, family)] == [False, True]


@pytest.mark.parametrize("data", [0, float("nan"), 1e9, "half"])
def test_an_odd_deviation_of_the_data_is_refused(data):
    family, configs = sprint(sigma_data=data)
    with pytest.raises(ManifestError, match="sigma_data"):
        family.recipe(configs)
