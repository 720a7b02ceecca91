"""Consistency models: pictures in one step or a few, from a U-Net over pixels, of a class where it has classes.

Song et al. 2023, "Consistency Models". Order of draws and numbers: those of diffusers' ConsistencyModelPipeline.
"""

from __future__ import annotations

from edgediff_runtimes.families import classes
from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.pixels import TASK, pixel_defaults, pixel_recipe
from edgediff_runtimes.recipe.recipe import Recipe


def recipe(configs: Configs) -> Recipe:
    """No guidance: it was distilled away, or never learnt."""
    conditional = configs.of("unet").values.get("num_class_embeds") is not None
    return pixel_recipe(configs, task=classes.TASK if conditional else TASK)


CONSISTENCY_MODELS = Family(
    name="consistency-models",
    pipelines=("ConsistencyModelPipeline",),
    recipe=recipe,
    defaults=lambda configs: pixel_defaults(configs, steps=1),
)
