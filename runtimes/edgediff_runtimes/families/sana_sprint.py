"""SANA-Sprint: SANA in one to four steps.

Chen et al. 2025, "SANA-Sprint: One-Step Diffusion with Continuous-Time Consistency Distillation". Order of draws and
numbers: those of diffusers' SanaSprintPipeline and SanaSprintImg2ImgPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import TASKS
from edgediff_runtimes.families.sana import INSTRUCTED, decoded, defaults, factor
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe.declarations import Affine, Choice, Graph, Noise, Picture
from edgediff_runtimes.recipe.recipe import Recipe, Schedule, Space, Stage
from edgediff_runtimes.untrusted.bounds import SCALES, scales

_GUIDANCE_SCALE = 0.1  # of diffusers' transformer, for configs that do not say
_SIGMA_DATA = 0.5  # of diffusers' scheduler, likewise


def recipe(configs: Configs) -> Recipe:
    """SANA's parts; guidance is an input of the transformer, and the sampler's samples are as wide as its data."""
    data = _sigma_data(configs)
    scaling = configs.scaling()[0] * data
    embedded = configs.of("transformer").optional_number("guidance_embeds_scale")
    from_picture = (
        Picture("image", "pixels"),
        Graph("vae_encoder", {"sample": "pixels"}, {"latent_sample": "encoded"}, tiled=True),
        Affine("encoded", "start", times=scaling),
        Noise(),
    )
    feeds = {
        "hidden_states": "sample",
        "encoder_hidden_states": "text",
        "trigflow_timestep": "t_rows",
        "encoder_attention_mask": "mask",
        "guidance": "scale",
    }
    stage = Stage(
        name="base",
        space=Space(configs.channels(), factor=factor(configs)),
        given=(*INSTRUCTED, Choice("guidance", "scale", scale=_GUIDANCE_SCALE if embedded is None else embedded)),
        tasks=dict(zip(TASKS, ((Noise(),), from_picture), strict=True)),
        network=(
            Affine("x", "sample", over=data),
            Graph("transformer", feeds, {"velocity": "velocity"}),
            Affine("velocity", "prediction", times=data),
        ),
        result=decoded(scaling),
        schedule=Schedule(default_strength=0.6),
    )
    return Recipe((stage,))


def _sigma_data(configs: Configs) -> float:
    """The standard deviation of the data, as its scheduler says it."""
    fields = Fields(configs.scheduler, "scheduler_config.json")
    data = fields.optional_number("sigma_data")
    if data is None:
        return _SIGMA_DATA
    if not scales(data):
        raise fields.fail("sigma_data", SCALES)
    return data


SANA_SPRINT = Family(
    name="sana-sprint",
    pipelines=("SanaSprintPipeline", "SanaSprintImg2ImgPipeline"),
    recipe=recipe,
    defaults=lambda configs: defaults(configs, steps=2),
)
