"""Stable Diffusion 3 and 3.5, with T5 or without.

Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis". Order of draws and
numbers: those of diffusers' StableDiffusion3Pipeline, StableDiffusion3Img2ImgPipeline and
StableDiffusion3InpaintPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import picture_result, picture_tasks, seen, tiny_result
from edgediff_runtimes.recipe.declarations import Graph, Join, Pad, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.untrusted.bounds import CHANNELS, FACTOR, SIDE, TOKENS

_SAMPLE_SIZE = 128  # of all published ones, for configs that do not say
_CLIPS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
_T5 = "text_encoder_3"
_T5_TOKENS = 256
_LARGE = 38  # layers of Stable Diffusion 3.5 Large


def recipe(configs: Configs) -> Recipe:
    """Two CLIPs side by side, T5 behind them, one transformer, one VAE."""
    transformer = configs.of("transformer")
    wide = transformer.integer("joint_attention_dim", minimum=1, bound=CHANNELS)
    patch = transformer.integer("patch_size", minimum=1, bound=FACTOR)
    places = transformer.integer("pos_embed_max_size", minimum=1, bound=SIDE)
    factor = configs.vae_factor()
    given: list[Part] = []
    for number, (tokenizer, role) in enumerate(_CLIPS, 1):
        # The last layer but one: states are counted from the embeddings on.
        last = configs.of(role).integer("num_hidden_layers", minimum=1) - 1
        takes = {f"hidden_states.{last}": f"text_{number}", "text_embeds": f"pooled_{number}"}
        given += [Tokens(tokenizer, f"ids_{number}"), Graph(role, {"input_ids": f"ids_{number}"}, takes)]
    given += [
        Join(("pooled_1", "pooled_2"), "pooled", -1),
        Join(("text_1", "text_2"), "narrow", -1),
        Pad("narrow", "clip", -1, wide),
    ]
    if configs.has(_T5):
        given += [
            Tokens("tokenizer_3", "ids_3", length=_T5_TOKENS),
            Graph(_T5, {"input_ids": "ids_3"}, {"last_hidden_state": "text_3"}),
            Join(("clip", "text_3"), "text", 1),
        ]
    else:
        tokens = configs.of("text_encoder").integer("max_position_embeddings", minimum=1, bound=TOKENS)
        given.append(Pad("clip", "text", 1, tokens + _T5_TOKENS))
    looks, sample = seen(configs, "transformer")
    feeds = {"hidden_states": sample, "encoder_hidden_states": "text", "pooled_projections": "pooled"}
    feeds["timestep"] = "t_rows"
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor, multiple=factor * patch, largest=factor * patch * places),
        given=tuple(given),
        tasks=picture_tasks(configs, "transformer"),
        network=(
            *looks,
            Graph("transformer", feeds, {"out_hidden_states": "prediction"}),
        ),
        result=picture_result(configs),
        tiny=tiny_result(configs),
        guidance=Guidance(),
        schedule=Schedule(shift="linear", token=factor * patch, default_strength=0.6, inpaint_strength=0.6),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Those of the models' cards: 3 and 3.5 Medium and Large are told apart by their transformers."""
    width, height = configs.trained_size("transformer", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    steps, guidance = 28, 7.0
    if _is_large(configs):
        guidance = 3.5
    elif configs.of("transformer").values.get("dual_attention_layers"):  # 3.5 Medium
        steps, guidance = 40, 4.5
    return Defaults(steps=steps, guidance=guidance, width=width, height=height)


def doubts(configs: Configs) -> str | None:
    """Large and the model that was distilled from it have the same configs."""
    if _is_large(configs):
        return "Stable Diffusion 3.5 Large (28 steps, guidance 3.5) and Large Turbo (4 steps, guidance 1) have the same"
    return None


def _is_large(configs: Configs) -> bool:
    return configs.of("transformer").values.get("num_layers") == _LARGE


STABLE_DIFFUSION_3 = Family(
    name="stable-diffusion-3",
    pipelines=("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
    recipe=recipe,
    defaults=defaults,
    doubts=doubts,
    small_decoder=True,
)
