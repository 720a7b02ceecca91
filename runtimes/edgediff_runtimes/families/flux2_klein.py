"""FLUX.2 klein, distilled and not.

Black Forest Labs 2026, https://github.com/black-forest-labs/flux2. Order of draws and numbers: those of diffusers'
Flux2KleinPipeline without pictures to refer to.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import TASKS
from edgediff_runtimes.recipe.declarations import (
    Affine,
    Graph,
    GridIds,
    Join,
    Noise,
    Patches,
    Pictures,
    TextIds,
    Tokens,
    Unpatches,
)
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage

_TOKENS = 512
# Qwen3's, with its thinking left empty.
_TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_SIDE = 2  # latents of the VAE along one side of one of the transformer's
_TRAIN_TIMESTEPS = 1000.0
_PIXELS = 1024
_QUARTERS = 4


def recipe(configs: Configs) -> Recipe:
    """A language model's states after three quarters of its layers, a transformer told where tokens are, one VAE."""
    layers = configs.of("text_encoder").integer("num_hidden_layers", minimum=_QUARTERS)
    states = {f"hidden_states.{layers * part // _QUARTERS}": f"text_{part}" for part in range(1, _QUARTERS)}
    axes, factor = len(configs.of("transformer").array("axes_dims_rope")), _SIDE * configs.vae_factor()
    stage = Stage(
        name="base",
        space=Space(configs.channels() * _SIDE**2, factor=factor),
        given=(
            Tokens("tokenizer", "ids", length=_TOKENS, mask="mask", template=_TEMPLATE),
            Graph("text_encoder", {"input_ids": "ids", "attention_mask": "mask"}, states),
            Join(tuple(states.values()), "text", -1),
            TextIds("text_places", "text", axes, count=axes - 1),
            GridIds("places", axes, factor),
        ),
        tasks={TASKS[0]: (Noise(),)},
        network=(
            Patches("x", "tokens", 1),
            Affine("t_rows", "time", over=_TRAIN_TIMESTEPS),
            Graph(
                "transformer",
                {
                    "hidden_states": "tokens",
                    "encoder_hidden_states": "text",
                    "timestep": "time",
                    "txt_ids": "text_places",
                    "img_ids": "places",
                },
                {"out_hidden_states": "velocity"},
            ),
            Unpatches("velocity", "prediction", "x", 1),
        ),
        result=(
            Graph("vae_decoder", {"latent_sample": "x"}, {"sample": "pixels"}, alone=True, tiled=True),
            Pictures("pixels"),
        ),
        guidance=None if _is_distilled(configs) else Guidance(),
        schedule=Schedule(linear=True, shift="flux2", token=factor),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Those of the models' cards."""
    if _is_distilled(configs):
        return Defaults(steps=4, width=_PIXELS, height=_PIXELS)
    return Defaults(steps=50, guidance=4.0, width=_PIXELS, height=_PIXELS)


def _is_distilled(configs: Configs) -> bool:
    return bool(configs.index.get("is_distilled"))


FLUX2_KLEIN = Family(
    name="flux2-klein",
    pipelines=("Flux2KleinPipeline",),
    recipe=recipe,
    defaults=defaults,
)
