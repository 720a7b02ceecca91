"""NCSN++: a score model of the variance-exploding SDE, a U-Net over pixels between 0 and 1.

Song et al. 2021, "Score-Based Generative Modeling through Stochastic Differential Equations". Order of draws and
numbers: those of diffusers' ScoreSdeVePipeline, whose result is the mean of the last step and not a draw around it.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.pixels import pixel_defaults, pixel_recipe
from edgediff_runtimes.recipe.declarations import Affine, Pictures
from edgediff_runtimes.recipe.recipe import Recipe, Schedule


def recipe(configs: Configs) -> Recipe:
    """Its network is told the noise level, and divides by it."""
    return pixel_recipe(
        configs,
        result=(Affine("x", "pixels", times=2.0, plus=-1.0), Pictures("pixels")),
        darkest=0.0,
        schedule=Schedule(ends="denoised"),
    )


SCORE_SDE = Family(
    name="score-sde",
    pipelines=("ScoreSdeVePipeline",),
    recipe=recipe,
    defaults=lambda configs: pixel_defaults(configs, steps=2000),
)
