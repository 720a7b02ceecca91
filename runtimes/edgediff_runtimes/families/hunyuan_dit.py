"""Hunyuan-DiT 1.0 to 1.2.

Li et al. 2024, "Hunyuan-DiT: A Powerful Multi-Resolution Diffusion Transformer with Fine-Grained Chinese
Understanding". Order of draws and numbers: those of diffusers' HunyuanDiTPipeline, without its mapping of sizes to
the nearest of a list. That pipeline drops the variance that the transformer predicts beside the velocity; here the
graph does.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import picture_result
from edgediff_runtimes.recipe.declarations import Graph, GridIds, Noise, Sizes, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Space, Stage
from edgediff_runtimes.untrusted.bounds import FACTOR

_TOKENS, _TOKENS_T5 = 77, 256
_SAMPLE_SIZE = 128  # of all published ones
_PLACED = 512  # pixels along one side of the square that places are counted in
# Height before width, as the network was told in training.
_SIZES: dict[str, str | float] = {
    "original_height": 1024.0,
    "original_width": 1024.0,
    "target_height": "height",
    "target_width": "width",
    "crop_top": 0.0,
    "crop_left": 0.0,
}


def recipe(configs: Configs) -> Recipe:
    """BERT and T5 with their masks, one transformer that is told places and perhaps sizes, one VAE."""
    transformer, factor = configs.of("transformer"), configs.vae_factor()
    token = factor * transformer.integer("patch_size", minimum=1, bound=FACTOR)
    given: list[Part] = []
    for behind, length in (("", _TOKENS), ("_2", _TOKENS_T5)):
        takes = {"input_ids": f"ids{behind}", "attention_mask": f"mask{behind}"}
        given += [
            Tokens(f"tokenizer{behind}", f"ids{behind}", length=length, mask=f"mask{behind}"),
            Graph(f"text_encoder{behind}", takes, {"last_hidden_state": f"text{behind}"}),
        ]
    given.append(GridIds("places", 2, token, row=0, within=_PLACED // token))
    feeds = {
        "hidden_states": "x",
        "timestep": "t_rows",
        "encoder_hidden_states": "text",
        "text_embedding_mask": "mask",
        "encoder_hidden_states_t5": "text_2",
        "text_embedding_mask_t5": "mask_2",
        "image_ids": "places",
    }
    if transformer.values.get("use_style_cond_and_image_meta_size", True):  # before 1.2
        given.append(Sizes("sizes", tuple(_SIZES), defaults=_SIZES))
        feeds["image_meta_size"] = "sizes"
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor, multiple=token),
        given=tuple(given),
        tasks={"text-to-image": (Noise(),)},
        network=(Graph("transformer", feeds, {"out_hidden_states": "prediction"}),),
        result=picture_result(configs),
        guidance=Guidance(),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; steps and guidance of diffusers' pipeline."""
    width, height = configs.trained_size("transformer", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    return Defaults(steps=50, guidance=5.0, width=width, height=height)


HUNYUAN_DIT = Family(name="hunyuan-dit", pipelines=("HunyuanDiTPipeline",), recipe=recipe, defaults=defaults)
