"""Stable Diffusion's x4 upscaler: a picture four times as large, from a small one and a text.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 4.4. Order of draws and
numbers: those of diffusers' StableDiffusionUpscalePipeline. The latents have the size of the small picture, which
stands beside them, with some noise, at every call.
"""

from __future__ import annotations

from typing import Any

from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.fields import Fields
from edgediff_runtimes.recipe.declarations import Affine, Graph, Join, Noise, Noised, Picture, Pictures, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Space, Stage
from edgediff_runtimes.sampling.reading.shared.kinds import check_kinds
from edgediff_runtimes.sampling.reading.shared.settings import CALL
from edgediff_runtimes.sampling.reading.table import READINGS
from edgediff_runtimes.sampling.schedules.betas import alphas_cumprod
from edgediff_runtimes.untrusted.bounds import TRAIN_TIMESTEPS

TASK = "super-resolution"
NOISES = "low_res_scheduler"  # the folder with the config of what noises the small picture
_SAMPLE_SIZE = 128  # of the published model, for configs that do not say
# The pipeline takes it whatever the config says: diffusers' own default, which some files have, is another model's.
_SCALING = 0.08333
_LEVEL, _MOST_LEVEL = 20, 350


def recipe(configs: Configs) -> Recipe:
    """One text encoder, one U-Net that is shown the small picture and told its noise, one VAE."""
    factor = configs.vae_factor()
    given: tuple[Part, ...] = (
        Tokens("tokenizer", "ids"),
        Graph("text_encoder", {"input_ids": "ids"}, {"last_hidden_state": "text"}),
    )
    from_picture: tuple[Part, ...] = (
        Picture("image", "small", factor=factor, filter="bicubic"),
        Noise("small_noise", "small"),
        Noised("small", "small_noise", "shown", "level", "noise_level", _LEVEL, _signal(configs)),
        Noise(),
    )
    feeds = {"sample": "both", "timestep": "t", "encoder_hidden_states": "text", "class_labels": "level"}
    stage = Stage(
        name="base",
        # The small picture is cut to multiples of the factor first.
        space=Space(configs.channels(), factor=factor, multiple=factor**2, upscale=factor),
        given=given,
        tasks={TASK: from_picture},
        network=(Join(("x", "shown"), "both", 1), Graph("unet", feeds, {"out_sample": "prediction"})),
        result=(
            Affine("x", "latents", over=_SCALING),
            Graph("vae_decoder", {"latent_sample": "latents"}, {"sample": "pixels"}, alone=True, tiled=True),
            Pictures("pixels"),
        ),
        guidance=Guidance(),
    )
    return Recipe((stage,))


def _signal(configs: Configs) -> tuple[float, ...]:
    """The share of the signal at each level that the model was taught."""
    most = Fields(configs.index, "model_index.json").optional_integer("max_noise_level")
    config = configs.of(NOISES)
    reading = READINGS.get(config.string("_class_name"))
    if reading is None or "beta_schedule" not in reading.fields:
        raise config.fail("_class_name", "a scheduler that has betas, such as DDPMScheduler")
    known: dict[str, Any] = {**dict.fromkeys(CALL), **reading.fields, **reading.keywords, **config.values}
    if config.values.get("num_train_timesteps") is not None:
        known["num_train_timesteps"] = config.integer("num_train_timesteps", minimum=1, bound=TRAIN_TIMESTEPS)
    try:
        check_kinds(known, reading.fields)
        shares = alphas_cumprod(known)[: 1 + (_MOST_LEVEL if most is None else most)]
    except SamplerError as error:
        raise config.fail(error.setting, "what makes betas") from error
    return tuple(float(share) for share in shares)


def defaults(configs: Configs) -> Defaults:
    """Steps and guidance of diffusers' pipeline; four times the size that it was trained with."""
    width, height = configs.trained_size("unet", default=_SAMPLE_SIZE, factor=configs.vae_factor())
    return Defaults(steps=75, guidance=9.0, width=width, height=height)


STABLE_DIFFUSION_UPSCALE = Family(
    name="stable-diffusion-upscale",
    pipelines=("StableDiffusionUpscalePipeline",),
    recipe=recipe,
    defaults=defaults,
)
