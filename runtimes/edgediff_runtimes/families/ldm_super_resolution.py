"""Super-resolution by latent diffusion without a text.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 4.4. Order of draws and
numbers: those of diffusers' LDMSuperResolutionPipeline. The latents have the size of the small picture, which stands
beside them at every call; the decoder takes each for the nearest entry of its codebook first.
"""

from __future__ import annotations

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.stable_diffusion_upscale import TASK
from edgediff_runtimes.recipe.declarations import Graph, Join, Noise, Picture, Pictures, Repeat
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Recipe, Space, Stage

_SAMPLE_SIZE = 64  # of the published model, for configs that do not say
_MULTIPLE = 32  # the small picture is cut to multiples of it


def recipe(configs: Configs) -> Recipe:
    """One U-Net that is shown the small picture, and the decoder of a VQ-VAE, whose latents are not scaled."""
    factor = configs.vae_factor("vqvae")
    stage = Stage(
        name="base",
        space=Space(configs.channels("vqvae"), factor=factor, multiple=_MULTIPLE * factor, upscale=factor),
        given=(),
        tasks={TASK: (Picture("image", "small", factor=factor), Repeat("small", "shown"), Noise())},
        network=(
            Join(("x", "shown"), "both", 1),
            Graph("unet", {"sample": "both", "timestep": "t"}, {"out_sample": "prediction"}),
        ),
        result=(
            Graph("vqvae_decoder", {"latent_sample": "x"}, {"sample": "pixels"}, alone=True, tiled=True),
            Pictures("pixels"),
        ),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Steps of diffusers' pipeline; the size that it was trained at."""
    width, height = configs.trained_size("unet", default=_SAMPLE_SIZE, factor=configs.vae_factor("vqvae"))
    return Defaults(steps=100, width=width, height=height)


LDM_SUPER_RESOLUTION = Family(
    name="ldm-super-resolution",
    pipelines=("LDMSuperResolutionPipeline",),
    recipe=recipe,
    defaults=defaults,
)
