"""A family is two files: no role or tensor of one is named anywhere else in the packages.

Of the exporters' side two folders have such names by design: ``modules``, which families share, and ``originals``, the
layouts of checkpoints as each family was trained.
"""

from __future__ import annotations

import ast

import pytest

from edgediff_runtimes.families import FAMILIES, Configs

# One directory of configs per family, as small as its recipe needs.
CONFIGS = {
    "stable-diffusion": Configs(
        {"_class_name": "StableDiffusionPipeline"},
        {"unet": {"time_cond_proj_dim": 32}, "vae": {"latent_channels": 4, "block_out_channels": [1, 1, 1, 1]}},
    ),
}
CONFIGS["stable-diffusion-xl"] = Configs(
    {"_class_name": "StableDiffusionXLPipeline"},
    {
        **CONFIGS["stable-diffusion"].by_name,
        "text_encoder": {"num_hidden_layers": 12},
        "text_encoder_2": {"num_hidden_layers": 32},
    },
)
CONFIGS["dit"] = Configs(
    {"_class_name": "DiTPipeline", "id2label": {"0": "tench, Tinca tinca"}},
    {
        "transformer": {"num_embeds_ada_norm": 1000, "sample_size": 32},
        "vae": CONFIGS["stable-diffusion"].by_name["vae"],
    },
)
_UNET = {"in_channels": 3, "sample_size": 32, "block_out_channels": [1, 1]}
CONFIGS["ddpm"] = Configs({"_class_name": "DDPMPipeline"}, {"unet": _UNET})
CONFIGS["score-sde"] = Configs({"_class_name": "ScoreSdeVePipeline"}, {"unet": _UNET})
CONFIGS["consistency-models"] = Configs(
    {"_class_name": "ConsistencyModelPipeline"}, {"unet": {**_UNET, "num_class_embeds": 1000}}
)
_VAE = CONFIGS["stable-diffusion"].by_name["vae"]
CONFIGS["flux"] = Configs(
    {"_class_name": "FluxPipeline"},
    {"transformer": {"axes_dims_rope": [16, 56, 56], "guidance_embeds": True}, "vae": _VAE},
)
_PATCHED = {"patch_size": 2, "pos_embed_max_size": 64, "joint_attention_dim": 8, "sample_size": 128}
_LAYERS = {"num_hidden_layers": 12}
CONFIGS["stable-diffusion-3"] = Configs(
    {"_class_name": "StableDiffusion3Pipeline"},
    {"text_encoder": _LAYERS, "text_encoder_2": _LAYERS, "text_encoder_3": {}, "transformer": _PATCHED, "vae": _VAE},
)
CONFIGS["z-image"] = Configs(
    {"_class_name": "ZImagePipeline"}, {"text_encoder": {"num_hidden_layers": 28}, "transformer": {}, "vae": _VAE}
)
CONFIGS["sana"] = Configs(
    {"_class_name": "SanaPipeline"},
    {
        "transformer": {},
        "vae": {"latent_channels": 32, "encoder_block_out_channels": [1] * 6, "scaling_factor": 0.41407},
    },
)
CONFIGS["sana-sprint"] = Configs({"_class_name": "SanaSprintPipeline"}, CONFIGS["sana"].by_name)
CONFIGS["pixart"] = Configs({"_class_name": "PixArtAlphaPipeline"}, {"transformer": _PATCHED, "vae": _VAE})
CONFIGS["hunyuan-dit"] = Configs({"_class_name": "HunyuanDiTPipeline"}, {"transformer": _PATCHED, "vae": _VAE})
CONFIGS["aura-flow"] = Configs({"_class_name": "AuraFlowPipeline"}, {"transformer": _PATCHED, "vae": _VAE})
CONFIGS["flux2-klein"] = Configs(
    {"_class_name": "Flux2KleinPipeline", "is_distilled": False},
    {
        "text_encoder": {"num_hidden_layers": 36},
        "transformer": {"axes_dims_rope": [32, 32, 32, 32]},
        "vae": _VAE,
    },
)
CONFIGS["kolors"] = Configs(
    {"_class_name": "KolorsPipeline"}, {"text_encoder": {"num_layers": 28}, "unet": {}, "vae": _VAE}
)
CONFIGS["lumina2"] = Configs(
    {"_class_name": "Lumina2Pipeline"}, {"text_encoder": {"num_hidden_layers": 26}, "vae": _VAE}
)
CONFIGS["qwen-image"] = Configs(
    {"_class_name": "QwenImagePipeline"},
    {
        "text_encoder": {"text_config": {"num_hidden_layers": 28}},
        "vae": {
            "z_dim": 2,
            "temperal_downsample": [False, True, True],
            "latents_mean": [0.5, 0.0],
            "latents_std": [2.0, 1.5],
        },
    },
)
CONFIGS["qwen-image-edit"] = Configs(
    {"_class_name": "QwenImageEditPlusPipeline"},
    {
        "processor": {"size": {"shortest_edge": 3136, "longest_edge": 12845056}},
        "text_encoder": {
            "text_config": {"num_hidden_layers": 28},
            "vision_config": {"patch_size": 14, "spatial_merge_size": 2, "window_size": 112},
            "image_token_id": 151655,
        },
        "vae": CONFIGS["qwen-image"].by_name["vae"],
    },
)
CONFIGS["stable-diffusion-upscale"] = Configs(
    {"_class_name": "StableDiffusionUpscalePipeline"},
    {"low_res_scheduler": {"_class_name": "DDPMScheduler"}, "unet": {}, "vae": _VAE},
)
CONFIGS["ldm-super-resolution"] = Configs(
    {"_class_name": "LDMSuperResolutionPipeline"}, {"unet": {}, "vqvae": {**_VAE, "latent_channels": 3}}
)
# A prediction type of schedulers, a field of the records of quality and an option of runs have such names too.
ELSEWHERE = {"sample", "timestep", "guidance"}


def test_every_family_has_its_configs():
    assert {family.name for family in FAMILIES} == CONFIGS.keys()


def _names(family):
    """Roles, inputs and outputs of a family's graphs that mean nothing outside of it."""
    for use in family.recipe(CONFIGS[family.name]).graphs():
        yield from (use.role, *use.feeds, *use.takes)


# Names that are not a family's own in these files, each with the reason why.
SHARED = {
    "exporters/edgediff_exporters": {
        # In diffusers' directories `tokenizer_2` stands beside `text_encoder_2`: asked before a family is known.
        "sources/base.py": {"text_encoder"},
        "sources/replacing.py": {"text_encoder"},
        # What OpenVINO's own converter of tokenizers calls its output.
        "openvino_tokenizer.py": {"input_ids"},
    },
    "runtimes/edgediff_runtimes": {
        # The last of a text encoder's layers, of which clip skip takes another: the others are counted by their names.
        "settings/prompting.py": {"last_hidden_state"},
        # What files of LoRA call the text encoders that they change, in diffusers' words and in others'.
        "adapters/names.py": {"text_encoder", "text_encoder_2", "text_encoder_3"},
    },
}
APART = {"families", "modules", "originals"}


@pytest.mark.parametrize("package", ["runtimes/edgediff_runtimes", "exporters/edgediff_exporters", "edgediff"])
def test_no_role_or_tensor_outside_the_families(root, package):
    names = {name for family in FAMILIES for name in _names(family)} - ELSEWHERE
    shared, found = SHARED.get(package, {}), {}
    for path in sorted((root / package).rglob("*.py")):
        place = path.relative_to(root / package)
        if APART & {*place.parts}:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        if named := texts & names:
            found[place.as_posix()] = named
    assert found == shared
