"""Qwen-Image.

Qwen Team 2025, "Qwen-Image Technical Report". Order of draws and numbers: those of diffusers' QwenImagePipeline and
QwenImageImg2ImgPipeline.
"""

from __future__ import annotations

import numpy as np

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import TASKS
from edgediff_runtimes.families.texts import state_of
from edgediff_runtimes.fields import is_finite
from edgediff_runtimes.recipe.declarations import Affine, Gaussian, Graph, Noise, Pick, Picture, Pictures, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.recipe import Guidance, Recipe, Schedule, Space, Stage
from edgediff_runtimes.untrusted.bounds import CHANNELS, SCALES, scales

_TOKENS = 1024
_HEAD = 34  # tokens that the template has before the prompt
_TEMPLATE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial "
    "relationships of the objects and background:<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
_PATCH = 2
_TRAIN_TIMESTEPS = 1000.0
_ENTRIES = 128  # of the latents along one side that diffusers takes where the caller says nothing


def recipe(configs: Configs) -> Recipe:
    """A language model's states of a description, a transformer over latents and these, one VAE of films."""
    vae = configs.of("vae")
    channels = vae.integer("z_dim", minimum=1, bound=CHANNELS)
    factor = _factor(configs)
    means, stds = _numbers(configs, "latents_mean", channels), _numbers(configs, "latents_std", channels)
    from_picture = (
        Picture("image", "pixels"),
        Graph("vae_encoder", {"sample": "pixels"}, {"latent_parameters": "moments"}, tiled=True),
        Gaussian("moments", "encoded"),
        Affine("encoded", "start", minus=means, times=stds),
        Noise(),
    )
    text = {"input_ids": "ids", "attention_mask": "mask"}
    feeds = {"hidden_states": "x", "timestep": "time", "encoder_hidden_states": "text"}
    feeds["encoder_hidden_states_mask"] = "text_mask"
    stage = Stage(
        name="base",
        space=Space(channels, factor=factor, multiple=_PATCH * factor),
        given=(
            Tokens(
                "tokenizer",
                "ids",
                length=_HEAD + _TOKENS,
                mask="mask",
                template=_TEMPLATE,
                padding="longest",
                kept="kept",
                dropped=_HEAD,
            ),
            Graph("text_encoder", text, {state_of(configs, before_last=0): "states"}),
            Pick("states", "kept", "text"),
            Pick("mask", "kept", "text_mask"),
        ),
        tasks=dict(zip(TASKS, ((Noise(),), from_picture), strict=True)),
        network=(
            Affine("t_rows", "time", over=_TRAIN_TIMESTEPS),
            Graph("transformer", feeds, {"out_hidden_states": "prediction"}),
        ),
        result=(
            Affine("x", "latents", over=stds, plus=means),
            Graph("vae_decoder", {"latent_sample": "latents"}, {"sample": "pixels"}, alone=True, tiled=True),
            Pictures("pixels"),
        ),
        guidance=Guidance(negative=True, norm=1, norm_patch=_PATCH),
        schedule=Schedule(linear=True, shift="linear", token=_PATCH * factor, default_strength=0.6),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Those of diffusers' pipeline."""
    side = _ENTRIES * _factor(configs)
    return Defaults(steps=50, guidance=4.0, width=side, height=side)


def _factor(configs: Configs) -> int:
    return configs.vae_factor(blocks="temperal_downsample", whole=0)


def _numbers(configs: Configs, name: str, channels: int) -> tuple[float, ...]:
    """One number per channel of the latents; of deviations their inverses, rounded as diffusers rounds them."""
    fields = configs.of("vae")
    given, inverted = fields.array(name), name == "latents_std"
    if len(given) != channels or not all(is_finite(number) for number in given):
        raise fields.fail(name, f"{channels} finite numbers")
    if inverted and not all(scales(number) for number in given):
        raise fields.fail(name, f"{channels} numbers, each {SCALES}")
    numbers = np.asarray(given, np.float32)
    return tuple(float(number) for number in (np.float32(1) / numbers if inverted else numbers))


QWEN_IMAGE = Family(
    name="qwen-image",
    pipelines=("QwenImagePipeline", "QwenImageImg2ImgPipeline"),
    recipe=recipe,
    defaults=defaults,
)
