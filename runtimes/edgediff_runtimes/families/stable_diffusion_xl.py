"""Stable Diffusion XL: base, and what was distilled from it (Turbo, Lightning, LCM).

Podell et al. 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis". Order of draws and
numbers: those of diffusers' StableDiffusionXLPipeline and StableDiffusionXLImg2ImgPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.few_steps import doubts, steps_and_guidance
from edgediff_runtimes.families.latents import picture_result, picture_tasks
from edgediff_runtimes.recipe.declarations import Graph, Join, Sinusoid, Sizes, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Space, Stage
from edgediff_runtimes.untrusted.bounds import CHANNELS

_SAMPLE_SIZE = 128  # of the base model, for configs that do not say
_ENCODERS = ("text_encoder", "text_encoder_2")
# Height before width, as the network was told in training.
_SIZES = ("original_height", "original_width", "crop_top", "crop_left", "target_height", "target_width")
_SIZES_NOT_GIVEN: dict[str, str | float] = {
    "original_height": "height",
    "original_width": "width",
    "crop_top": 0.0,
    "crop_left": 0.0,
    "target_height": "height",
    "target_width": "width",
}


def recipe(configs: Configs) -> Recipe:
    """Two text encoders side by side, one U-Net that is told sizes, one VAE."""
    last = {name: configs.of(name).integer("num_hidden_layers", minimum=1) - 1 for name in _ENCODERS}
    given: list[Part] = [Tokens("tokenizer", "ids"), Tokens("tokenizer_2", "ids_2")]
    # The last layer but one of each: states are counted from the embeddings on.
    given += [
        Graph("text_encoder", {"input_ids": "ids"}, {f"hidden_states.{last['text_encoder']}": "text_1"}),
        Graph(
            "text_encoder_2",
            {"input_ids": "ids_2"},
            {f"hidden_states.{last['text_encoder_2']}": "text_2", "text_embeds": "pooled"},
        ),
        Join(("text_1", "text_2"), "text", -1),
        Sizes("sizes", _SIZES, defaults=_SIZES_NOT_GIVEN),
    ]
    feeds = {"sample": "x", "timestep": "t", "encoder_hidden_states": "text", "text_embeds": "pooled"}
    feeds["time_ids"] = "sizes"
    distilled = configs.of("unet").values.get("time_cond_proj_dim")
    if distilled:
        dim = configs.of("unet").integer("time_cond_proj_dim", minimum=4, bound=CHANNELS)
        given.append(Sinusoid("guidance", "scale", dim, shift=-1.0, scale=1000.0))
        feeds["timestep_cond"] = "scale"
    zeros = ("text", "pooled") if configs.index.get("force_zeros_for_empty_prompt", True) else ()
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=configs.vae_factor()),
        given=tuple(given),
        tasks=picture_tasks(configs),
        network=(Graph("unet", feeds, {"out_sample": "prediction"}),),
        result=picture_result(configs),
        guidance=None if distilled else Guidance(zeros=zeros),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; few steps where a sampler of distilled models comes with it."""
    height, width = configs.sample_size("unet", default=_SAMPLE_SIZE)
    factor = configs.vae_factor()
    steps, guidance = steps_and_guidance(configs, "unet", usual=(30, 5.0), embedded=(4, 8.0))
    return Defaults(steps=steps, guidance=guidance, width=width * factor, height=height * factor)


STABLE_DIFFUSION_XL = Family(
    name="stable-diffusion-xl",
    pipelines=("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"),
    recipe=recipe,
    defaults=defaults,
    doubts=lambda configs: doubts(configs, "unet"),
)
