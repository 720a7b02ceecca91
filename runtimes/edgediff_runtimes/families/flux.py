"""FLUX.1 dev, schnell, Kontext, and Fill, which draws into pictures.

Black Forest Labs 2024, https://github.com/black-forest-labs/flux; 2025, "FLUX.1 Kontext: Flow Matching for In-Context
Image Generation and Editing in Latent Space". Order of draws and numbers: those of diffusers' FluxPipeline,
FluxImg2ImgPipeline, FluxInpaintPipeline, FluxFillPipeline and FluxKontextPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.edits import TASK, beside_tokens, encoded_mode, without_tokens
from edgediff_runtimes.families.latents import TASKS, picture_result, picture_tasks, seen, shown_mask, tiny_result
from edgediff_runtimes.recipe.declarations import (
    Affine,
    Choice,
    Graph,
    GridIds,
    Join,
    Noise,
    Patches,
    Picture,
    Repeat,
    TextIds,
    Tokens,
    Unpatches,
)
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage

_TRANSFORMER = "transformer"
_PATCH = 2  # entries of the latents along one side of a token
_SIDE = 128  # entries of the latents along one side that diffusers takes where the caller says nothing
_TRAIN_TIMESTEPS = 1000.0
# Of T5, as the models' cards call them; the schnell model has no guidance embedding.
_TOKENS, _TOKENS_SCHNELL = 512, 256
# Kontext's, for pictures to edit, in pixels across and down; it was trained on these.
_KONTEXT = "FluxKontextPipeline"
_LYING = ((1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688), (1568, 672))
_TRAINED = (*((high, wide) for wide, high in reversed(_LYING)), (1024, 1024), *_LYING)


def recipe(configs: Configs) -> Recipe:
    """CLIP's pooled text, T5's tokens, a transformer over packed latents that is told where they are, one VAE."""
    axes, factor = len(configs.of(_TRANSFORMER).array("axes_dims_rope")), configs.vae_factor()
    told, kontext = _is_told_guidance(configs), configs.class_name == _KONTEXT
    space = Space(configs.channels(), factor=factor, multiple=_PATCH * factor, trained=_TRAINED if kontext else ())
    given: list[Part] = [
        Tokens("tokenizer", "ids"),
        Tokens("tokenizer_2", "ids_2", length=_TOKENS if told else _TOKENS_SCHNELL),
        Graph("text_encoder", {"input_ids": "ids"}, {"pooler_output": "pooled"}),
        Graph("text_encoder_2", {"input_ids": "ids_2"}, {"last_hidden_state": "text"}),
        TextIds("text_places", "text", axes),
        GridIds("own_places" if kontext else "places", axes, _PATCH * factor),
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
    transformer = Graph(_TRANSFORMER, feeds, {"out_hidden_states": "velocity"})
    looks, sample = seen(configs, _TRANSFORMER, patch=_PATCH)
    tasks = _kontext_tasks(configs, axes=axes) if kontext else picture_tasks(configs, _TRANSFORMER, patch=_PATCH)
    stage = Stage(
        name="base",
        space=space,
        given=tuple(given),
        tasks=tasks,
        network=(
            *looks,
            Patches(sample, "tokens", _PATCH),
            Affine("t_rows", "time", over=_TRAIN_TIMESTEPS),
            *(beside_tokens(transformer) if kontext else (transformer,)),
            Unpatches("velocity", "prediction", "x", _PATCH),
        ),
        result=picture_result(configs),
        tiny=tiny_result(configs),
        guidance=Guidance("true_guidance", negative=True),
        schedule=Schedule(
            linear=True,
            shift="linear",
            token=_PATCH * factor,
            default_strength=0.6,
            inpaint_strength=1.0 if _fills(configs) else 0.6,
        ),
    )
    return Recipe((stage,))


def _kontext_tasks(configs: Configs, *, axes: int) -> dict[str, tuple[Part, ...]]:
    """From noise; or beside a picture, whose tokens are told apart by their first place."""
    scaling, shift = configs.scaling()
    edit = (
        Picture("image", "pixels"),
        *encoded_mode(configs),
        Affine("mode", "latents", minus=shift, times=scaling),
        Repeat("latents", "each"),
        Patches("each", "reference", _PATCH),
        GridIds("reference_places", axes, _PATCH * configs.vae_factor(), first=1.0),
        Join(("own_places", "reference_places"), "places", -2),
        Noise(),
    )
    return {TASKS[0]: without_tokens(_PATCH), TASK: edit}


def defaults(configs: Configs) -> Defaults:
    """Those of the models' cards; the schnell model was distilled to four steps without guidance."""
    side = _SIDE * configs.vae_factor()
    if configs.class_name == _KONTEXT:
        return Defaults(steps=28, guidance=2.5, width=side, height=side)
    if _is_told_guidance(configs):
        steps, guidance = (50, 30.0) if _fills(configs) else (28, 3.5)
        return Defaults(steps=steps, guidance=guidance, width=side, height=side)
    return Defaults(steps=4, width=side, height=side)


def _fills(configs: Configs) -> bool:
    """Whether the transformer is shown what to draw into."""
    return shown_mask(configs, _TRANSFORMER, patch=_PATCH) is not None


def _is_told_guidance(configs: Configs) -> bool:
    return bool(configs.of(_TRANSFORMER).values.get("guidance_embeds"))


FLUX = Family(
    name="flux",
    pipelines=("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline", "FluxFillPipeline", _KONTEXT),
    recipe=recipe,
    defaults=defaults,
    small_decoder=True,
)
