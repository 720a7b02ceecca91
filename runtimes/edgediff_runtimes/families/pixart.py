"""PixArt-α and PixArt-Σ, and what was distilled from them (LCM, DMD).

Chen et al. 2023, "PixArt-α: Fast Training of Diffusion Transformer for Photorealistic Text-to-Image Synthesis"; Chen
et al. 2024, "PixArt-Σ: Weak-to-Strong Training of Diffusion Transformer for 4K Text-to-Image Generation". Order of
draws and numbers: those of diffusers' PixArtAlphaPipeline and PixArtSigmaPipeline, without their mapping of sizes to
the nearest of a list. Those pipelines drop the variance that the transformer predicts beside the noise; here the graph
does.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.few_steps import steps_and_guidance
from edgediff_runtimes.families.latents import picture_result
from edgediff_runtimes.recipe.declarations import Graph, Noise, Sizes, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Space, Stage
from edgediff_runtimes.untrusted.bounds import FACTOR

_ALPHA, _SIGMA = "PixArtAlphaPipeline", "PixArtSigmaPipeline"
_TOKENS = {_ALPHA: 120, _SIGMA: 300}
_SAMPLE_SIZE = 128  # of the models for 1024x1024


def recipe(configs: Configs) -> Recipe:
    """T5 with its mask, one transformer, which may be told the size, one VAE."""
    patch = configs.of("transformer").integer("patch_size", minimum=1, bound=FACTOR)
    factor = configs.vae_factor()
    given: list[Part] = [
        Tokens("tokenizer", "ids", length=_TOKENS[configs.class_name], mask="mask", clean="lower"),
        Graph("text_encoder", {"input_ids": "ids", "attention_mask": "mask"}, {"last_hidden_state": "text"}),
    ]
    feeds = {"hidden_states": "x", "timestep": "t_rows"}
    feeds |= {"encoder_hidden_states": "text", "encoder_attention_mask": "mask"}
    if _is_told_size(configs):
        given.append(Sizes("size", ("height", "width")))
        feeds["resolution"] = "size"
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor, multiple=factor * patch),
        given=tuple(given),
        tasks={"text-to-image": (Noise(),)},
        network=(Graph("transformer", feeds, {"out_hidden_states": "prediction"}),),
        result=picture_result(configs),
        guidance=Guidance(),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; few steps where a sampler of distilled models comes with it."""
    width, height = configs.trained_size("transformer", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    steps, guidance = steps_and_guidance(configs, "transformer", usual=(20, 4.5), embedded=(4, 1.0))
    return Defaults(steps=steps, guidance=guidance, width=width, height=height)


def _is_told_size(configs: Configs) -> bool:
    told = configs.of("transformer").values.get("use_additional_conditions")
    if told is None:  # as diffusers' transformer takes it
        return configs.sample_size("transformer", default=_SAMPLE_SIZE)[0] == _SAMPLE_SIZE
    return bool(told)


PIXART = Family(name="pixart", pipelines=(_ALPHA, _SIGMA), recipe=recipe, defaults=defaults)
