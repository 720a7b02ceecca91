"""Z-Image and Z-Image-Turbo.

Z-Image Team 2025, "Z-Image: An Efficient Image Generation Foundation Model with Single-Stream Diffusion Transformer".
Order of draws and numbers: those of diffusers' ZImagePipeline and ZImageImg2ImgPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import picture_result, picture_tasks
from edgediff_runtimes.families.texts import state_of
from edgediff_runtimes.recipe.declarations import Affine, Graph, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage

_TOKENS = 512
# Qwen3's, with room for it to think, which it is not given.
_TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
_PATCH = 2
_TRAIN_TIMESTEPS = 1000.0
_SIDE = 1024
_TURBO_SHIFT = 3.0


def recipe(configs: Configs) -> Recipe:
    """A language model's states of a chat, a transformer over latents and these, one VAE."""
    factor = configs.vae_factor()
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor, multiple=_PATCH * factor),
        given=(
            Tokens("tokenizer", "ids", length=_TOKENS, mask="mask", template=_TEMPLATE, padding="longest"),
            Graph(
                "text_encoder",
                {"input_ids": "ids", "attention_mask": "mask"},
                {state_of(configs, before_last=1): "text"},
            ),
        ),
        tasks=picture_tasks(configs, "transformer"),
        network=(
            # The transformer counts time from noise to picture, and gives the way there.
            Affine("t_rows", "time", minus=_TRAIN_TIMESTEPS, over=-_TRAIN_TIMESTEPS),
            Graph(
                "transformer",
                {
                    "hidden_states": "x",
                    "timestep": "time",
                    "encoder_hidden_states": "text",
                    "encoder_attention_mask": "mask",
                },
                {"out_hidden_states": "velocity"},
            ),
            Affine("velocity", "prediction", times=-1.0),
        ),
        result=picture_result(configs),
        guidance=Guidance(above=0.0, origin="conditional"),
        schedule=Schedule(linear=True, shift="linear", token=_PATCH * factor, default_strength=0.6),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Those of the models' cards; what was distilled has another shift of its schedule."""
    shift = configs.scheduler.get("shift")
    if isinstance(shift, int | float) and shift > _TURBO_SHIFT:
        return Defaults(steps=50, guidance=4.0, width=_SIDE, height=_SIDE)
    return Defaults(steps=9, guidance=0.0, width=_SIDE, height=_SIDE)


Z_IMAGE = Family(
    name="z-image",
    pipelines=("ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
    recipe=recipe,
    defaults=defaults,
)
