"""Kolors: Stable Diffusion XL's U-Net and VAE behind a language model.

Kolors Team 2024, "Kolors: Effective Training of Diffusion Model for Photorealistic Text-to-Image Synthesis". Order of
draws and numbers: those of diffusers' KolorsPipeline and KolorsImg2ImgPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.few_steps import doubts, steps_and_guidance
from edgediff_runtimes.families.latents import picture_tasks
from edgediff_runtimes.families.stable_diffusion_xl import sized_stage, sizes
from edgediff_runtimes.recipe.declarations import Graph, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Recipe

_SAMPLE_SIZE = 128  # for configs that do not say
_TOKENS = 256


def recipe(configs: Configs) -> Recipe:
    """The states of a language model before its last layer, the last token's behind it, a U-Net that is told sizes."""
    # States are counted from the embeddings on.
    states = f"hidden_states.{configs.of('text_encoder').integer('num_layers', minimum=1) - 1}"
    conditions = (
        Tokens("tokenizer", "ids", length=_TOKENS, mask="mask", positions="positions", side="left"),
        Graph(
            "text_encoder",
            {"input_ids": "ids", "attention_mask": "mask", "position_ids": "positions"},
            {states: "text", "pooler_output": "pooled"},
        ),
        sizes(),
    )
    zeros = bool(configs.index.get("force_zeros_for_empty_prompt", False))
    return Recipe((sized_stage(configs, "base", "unet", conditions, picture_tasks(configs, "unet"), zeros=zeros),))


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; steps and guidance of diffusers' pipeline."""
    width, height = configs.trained_size("unet", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    steps, guidance = steps_and_guidance(configs, "unet", usual=(50, 5.0), embedded=(4, 8.0))
    return Defaults(steps=steps, guidance=guidance, width=width, height=height)


KOLORS = Family(
    name="kolors",
    pipelines=("KolorsPipeline", "KolorsImg2ImgPipeline"),
    recipe=recipe,
    defaults=defaults,
    doubts=lambda configs: doubts(configs, "unet"),
    small_decoder=True,
)
