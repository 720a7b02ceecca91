"""AuraFlow.

fal.ai 2024, https://blog.fal.ai/auraflow. Order of draws and numbers: those of diffusers' AuraFlowPipeline.
"""

from __future__ import annotations

import math

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import picture_result
from edgediff_runtimes.recipe.declarations import Affine, Graph, Noise, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Space, Stage
from edgediff_runtimes.untrusted.bounds import FACTOR, SIDE

_PIXELS = 1024  # of its card
_TOKENS = 256
_TRAIN_TIMESTEPS = 1000.0


def recipe(configs: Configs) -> Recipe:
    """A T5 with a mask, whose padding gives zeros; one transformer, one VAE."""
    transformer = configs.of("transformer")
    patch = transformer.integer("patch_size", minimum=1, bound=FACTOR)
    places = math.isqrt(transformer.integer("pos_embed_max_size", minimum=1, bound=SIDE))
    factor = configs.vae_factor()
    feeds = {"hidden_states": "x", "encoder_hidden_states": "text", "timestep": "time"}
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor, multiple=factor * patch, largest=factor * patch * places),
        given=(
            # Padding on the other side, where diffusers' tokenizer has it, makes no difference: it is masked, and the
            # transformer does not know places in a text.
            Tokens("tokenizer", "ids", length=_TOKENS, mask="mask"),
            Graph("text_encoder", {"input_ids": "ids", "attention_mask": "mask"}, {"last_hidden_state": "text"}),
        ),
        tasks={"text-to-image": (Noise(),)},
        network=(
            Affine("t_rows", "time", over=_TRAIN_TIMESTEPS),
            Graph("transformer", feeds, {"out_hidden_states": "prediction"}),
        ),
        result=picture_result(configs),
        guidance=Guidance(),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Those of its card, where its table of positions has room for them."""
    side = min(_PIXELS, recipe(configs).first.space.largest or _PIXELS)
    return Defaults(steps=50, guidance=3.5, width=side, height=side)


AURA_FLOW = Family(name="aura-flow", pipelines=("AuraFlowPipeline",), recipe=recipe, defaults=defaults)
