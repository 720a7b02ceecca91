"""DDPM and DDIM: pictures of nothing that could be asked for, from a U-Net over pixels.

Ho et al. 2020, "Denoising Diffusion Probabilistic Models"; Song et al. 2021, "Denoising Diffusion Implicit Models".
Order of draws and numbers: those of diffusers' DDPMPipeline and DDIMPipeline.
"""

from __future__ import annotations

from typing import Any

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.pixels import pixel_defaults, pixel_recipe
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.sampling import sampler_config

_DDIM = "DDIMPipeline"


def defaults(configs: Configs) -> Defaults:
    """The size it was trained at; as many steps as diffusers' pipelines take."""
    return pixel_defaults(configs, steps=50 if configs.class_name == _DDIM else 1000)


def scheduler(configs: Configs) -> dict[str, Any]:
    """Whatever scheduler was saved with it, the DDIMPipeline makes a DDIM of it, with its betas."""
    return sampler_config("ddim", configs.scheduler) if configs.class_name == _DDIM else dict(configs.scheduler)


DDPM = Family(
    name="ddpm", pipelines=("DDPMPipeline", _DDIM), recipe=pixel_recipe, defaults=defaults, scheduler=scheduler
)
