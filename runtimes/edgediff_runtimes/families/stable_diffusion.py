"""Stable Diffusion 1.x and 2.x, LCM-distilled models, SD-Turbo, and InstructPix2Pix.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models"; Brooks et al. 2023,
"InstructPix2Pix: Learning to Follow Image Editing Instructions". Order of draws and numbers: those of diffusers'
StableDiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, LatentConsistencyModelPipeline
and StableDiffusionInstructPix2PixPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.edits import beside, edit_guidance, edit_tasks, edits
from edgediff_runtimes.families.few_steps import doubts, steps_and_guidance
from edgediff_runtimes.families.latents import picture_result, picture_tasks, seen, tiny_result
from edgediff_runtimes.recipe.declarations import Graph, Sinusoid, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.untrusted.bounds import CHANNELS

_SAMPLE_SIZE = 64  # of Stable Diffusion 1, for configs that do not say


def recipe(configs: Configs) -> Recipe:
    """One text encoder, one U-Net with cross-attention, one VAE."""
    given: tuple[Part, ...] = (
        Tokens("tokenizer", "ids"),
        Graph("text_encoder", {"input_ids": "ids"}, {"last_hidden_state": "text"}),
    )
    looks, sample = seen(configs, "unet")
    feeds = {"sample": sample, "timestep": "t", "encoder_hidden_states": "text"}
    # A network that was distilled with its guidance is told the scale, and asked once.
    distilled = configs.of("unet").values.get("time_cond_proj_dim")
    if distilled:
        dim = configs.of("unet").integer("time_cond_proj_dim", minimum=4, bound=CHANNELS)
        given = (*given, Sinusoid("guidance", "scale", dim, shift=-1.0, scale=1000.0))
        feeds["timestep_cond"] = "scale"
    network, editing = Graph("unet", feeds, {"out_sample": "prediction"}), edits(configs, "unet")
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=configs.vae_factor()),
        given=given,
        tasks=edit_tasks(configs) if editing else picture_tasks(configs, "unet"),
        network=beside(network) if editing else (*looks, network),
        result=picture_result(configs),
        tiny=tiny_result(configs),
        guidance=None if distilled else edit_guidance() if editing else Guidance(),
        schedule=Schedule(strength="whole" if configs.class_name.startswith("LatentConsistency") else "tail"),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; few steps for distilled models, and no guidance where it was distilled away."""
    width, height = configs.trained_size("unet", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    steps, guidance = steps_and_guidance(configs, "unet", usual=(20, 7.5), embedded=(4, 8.5))
    return Defaults(steps=steps, guidance=guidance, width=width, height=height)


STABLE_DIFFUSION = Family(
    name="stable-diffusion",
    pipelines=(
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
        "StableDiffusionInstructPix2PixPipeline",
        "StableDiffusionControlNetPipeline",
        "StableDiffusionControlNetImg2ImgPipeline",
        "StableDiffusionAdapterPipeline",
    ),
    recipe=recipe,
    defaults=defaults,
    doubts=lambda configs: doubts(configs, "unet"),
    small_decoder=True,
)
