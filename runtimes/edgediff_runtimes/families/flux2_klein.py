"""FLUX.2 klein, distilled and not.

Black Forest Labs 2026, https://github.com/black-forest-labs/flux2. Order of draws and numbers: those of diffusers'
Flux2KleinPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.edits import TASK, beside_tokens, without_tokens
from edgediff_runtimes.families.latents import TASKS
from edgediff_runtimes.recipe.declarations import (
    Affine,
    Graph,
    GridIds,
    Join,
    Noise,
    Patches,
    Picture,
    Pictures,
    Repeat,
    TextIds,
    Tokens,
    Unpatches,
)
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.recipe.wires import SEVERAL

_TOKENS = 512
# Qwen3's, with its thinking left empty.
_TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
_SIDE = 2  # latents of the VAE along one side of one of the transformer's
_TRAIN_TIMESTEPS = 1000.0
_PIXELS = 1024
_STRIDE = 10.0  # between the first places of the tokens of two pictures
_QUARTERS = 4


def recipe(configs: Configs) -> Recipe:
    """A language model's states after three quarters of its layers, a transformer told where tokens are, one VAE."""
    layers = configs.of("text_encoder").integer("num_hidden_layers", minimum=_QUARTERS)
    states = {f"hidden_states.{layers * part // _QUARTERS}": f"text_{part}" for part in range(1, _QUARTERS)}
    axes, factor = len(configs.of("transformer").array("axes_dims_rope")), _SIDE * configs.vae_factor()
    feeds = {
        "hidden_states": "tokens",
        "encoder_hidden_states": "text",
        "timestep": "time",
        "txt_ids": "text_places",
        "img_ids": "places",
    }
    stage = Stage(
        name="base",
        space=Space(configs.channels() * _SIDE**2, factor=factor, area=_PIXELS**2),
        given=(
            Tokens("tokenizer", "ids", length=_TOKENS, mask="mask", template=_TEMPLATE),
            Graph("text_encoder", {"input_ids": "ids", "attention_mask": "mask"}, states),
            Join(tuple(states.values()), "text", -1),
            TextIds("text_places", "text", axes, count=axes - 1),
            GridIds("own_places", axes, factor),
        ),
        tasks={
            TASKS[0]: without_tokens(1),
            **{f"{TASK}-{count}" if count > 1 else TASK: _edit(axes, count) for count in range(1, len(SEVERAL) + 1)},
        },
        network=(
            Patches("x", "tokens", 1),
            Affine("t_rows", "time", over=_TRAIN_TIMESTEPS),
            *beside_tokens(Graph("transformer", feeds, {"out_hidden_states": "velocity"})),
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


def _edit(axes: int, count: int) -> tuple[Part, ...]:
    """Beside so many pictures, whose tokens are told apart by their first place; their latents are as what is drawn."""
    parts: list[Part] = [Noise()]
    for index, image in enumerate(SEVERAL[:count], 1):
        parts += [
            Picture(image, f"pixels_{index}", area=_PIXELS**2),
            Graph("vae_encoder", {"sample": f"pixels_{index}"}, {"latent_sample": f"latents_{index}"}),
            GridIds(f"places_{index}", axes, 1, first=_STRIDE * index, like=f"latents_{index}"),
            Repeat(f"latents_{index}", f"each_{index}"),
            Patches(f"each_{index}", f"tokens_{index}", 1),
        ]
    numbers = range(1, count + 1)
    tokens, places = (tuple(f"{name}_{number}" for number in numbers) for name in ("tokens", "places"))
    return (*parts, Join(tokens, "reference", 1), Join(("own_places", *places), "places", -2))


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
