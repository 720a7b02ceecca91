"""FLUX.1 dev and schnell.

Black Forest Labs 2024, https://github.com/black-forest-labs/flux. Order of draws and numbers: those of diffusers'
FluxPipeline and FluxImg2ImgPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import picture_result, picture_tasks, tiny_result
from edgediff_runtimes.recipe.declarations import Affine, Choice, Graph, GridIds, Patches, TextIds, Tokens, Unpatches
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage

_PATCH = 2  # entries of the latents along one side of a token
_SIDE = 128  # entries of the latents along one side that diffusers takes where the caller says nothing
_TRAIN_TIMESTEPS = 1000.0
# Of T5, as the models' cards call them; the schnell model has no guidance embedding.
_TOKENS, _TOKENS_SCHNELL = 512, 256


def recipe(configs: Configs) -> Recipe:
    """CLIP's pooled text, T5's tokens, a transformer over packed latents that is told where they are, one VAE."""
    transformer = configs.of("transformer")
    axes, factor = len(transformer.array("axes_dims_rope")), configs.vae_factor()
    told = _is_told_guidance(configs)
    given: list[Part] = [
        Tokens("tokenizer", "ids"),
        Tokens("tokenizer_2", "ids_2", length=_TOKENS if told else _TOKENS_SCHNELL),
        Graph("text_encoder", {"input_ids": "ids"}, {"pooler_output": "pooled"}),
        Graph("text_encoder_2", {"input_ids": "ids_2"}, {"last_hidden_state": "text"}),
        TextIds("text_places", "text", axes),
        GridIds("places", axes, _PATCH * factor),
    ]
    feeds = {
        "hidden_states": "tokens",
        "encoder_hidden_states": "text",
        "pooled_projections": "pooled",
        "timestep": "time",
        "txt_ids": "text_places",
        "img_ids": "places",
    }
    if told:
        given.append(Choice("guidance", "scale"))
        feeds["guidance"] = "scale"
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor, multiple=_PATCH * factor),
        given=tuple(given),
        tasks=picture_tasks(configs),
        network=(
            Patches("x", "tokens", _PATCH),
            Affine("t_rows", "time", over=_TRAIN_TIMESTEPS),
            Graph("transformer", feeds, {"out_hidden_states": "velocity"}),
            Unpatches("velocity", "prediction", "x", _PATCH),
        ),
        result=picture_result(configs),
        tiny=tiny_result(configs),
        guidance=Guidance("true_guidance", negative=True),
        schedule=Schedule(linear=True, shift="linear", token=_PATCH * factor, default_strength=0.6),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Those of the models' cards; the schnell model was distilled to four steps without guidance."""
    side = _SIDE * configs.vae_factor()
    if _is_told_guidance(configs):
        return Defaults(steps=28, guidance=3.5, width=side, height=side)
    return Defaults(steps=4, width=side, height=side)


def _is_told_guidance(configs: Configs) -> bool:
    return bool(configs.of("transformer").values.get("guidance_embeds"))


FLUX = Family(
    name="flux",
    pipelines=("FluxPipeline", "FluxImg2ImgPipeline"),
    recipe=recipe,
    defaults=defaults,
    small_decoder=True,
)
