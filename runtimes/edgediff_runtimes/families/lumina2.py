"""Lumina Image 2.0.

Qin et al. 2025, "Lumina-Image 2.0: A Unified and Efficient Image Generative Framework". Order of draws and numbers:
those of diffusers' Lumina2Pipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import TASKS, picture_result
from edgediff_runtimes.families.texts import state_of
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe.declarations import Affine, Graph, Noise, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.untrusted.bounds import TRAIN_TIMESTEPS

_TOKENS = 256
_TEMPLATE = (
    "You are an assistant designed to generate superior images with the superior degree of image-text alignment based "
    "on textual prompts or user prompts. <Prompt Start> {}"
)
_PATCH = 2
_SAMPLE_SIZE = 128
_STEPS, _TRAIN_TIMESTEPS = "num_train_timesteps", 1000  # of diffusers' scheduler, for configs that do not say


def recipe(configs: Configs) -> Recipe:
    """A language model's states of an instruction, a transformer over latents and these, one VAE."""
    factor = configs.vae_factor()
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor, multiple=_PATCH * factor),
        given=(
            Tokens(
                "tokenizer",
                "ids",
                length=_TOKENS,
                mask="mask",
                template=_TEMPLATE,
                negative_template="{}",
                padding="longest",
            ),
            Graph(
                "text_encoder",
                {"input_ids": "ids", "attention_mask": "mask"},
                {state_of(configs, before_last=1): "text"},
            ),
        ),
        tasks={TASKS[0]: (Noise(),)},
        network=(
            # The transformer counts time from noise to picture, and gives the way there.
            Affine("t_rows", "phase", over=-float(_train_timesteps(configs))),
            Affine("phase", "time", plus=1.0),
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
        guidance=Guidance(norm=-1),
        schedule=Schedule(linear=True),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; steps and guidance of the model's card."""
    width, height = configs.trained_size("transformer", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    return Defaults(steps=50, guidance=4.0, width=width, height=height)


def _train_timesteps(configs: Configs) -> int:
    fields = Fields(configs.scheduler, "scheduler_config.json")
    if _STEPS not in configs.scheduler:
        return _TRAIN_TIMESTEPS
    return fields.integer(_STEPS, minimum=1, bound=TRAIN_TIMESTEPS)


LUMINA2 = Family(name="lumina2", pipelines=("Lumina2Pipeline",), recipe=recipe, defaults=defaults)
