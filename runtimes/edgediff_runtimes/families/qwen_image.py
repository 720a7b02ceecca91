"""Qwen-Image.

Qwen Team 2025, "Qwen-Image Technical Report". Order of draws and numbers: those of diffusers' QwenImagePipeline and
QwenImageImg2ImgPipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgediff_runtimes.families.base import Family
from edgediff_runtimes.families.configs import Configs
from edgediff_runtimes.families.latents import TASKS
from edgediff_runtimes.families.texts import state_of
from edgediff_runtimes.fields import is_finite
from edgediff_runtimes.recipe.declarations import Affine, Gaussian, Graph, Noise, Pick, Picture, Pictures, Tokens
from edgediff_runtimes.recipe.defaults import Defaults
from edgediff_runtimes.recipe.part import Part
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
    channels, factor = channels_of(configs), factor_of(configs)
    means, deviations = numbers_of(configs)
    from_picture = (
        Picture("image", "pixels"),
        Graph("vae_encoder", {"sample": "pixels"}, {"latent_parameters": "moments"}, tiled=True),
        Gaussian("moments", "encoded"),
        Affine("encoded", "start", minus=means, times=_inverted(deviations)),
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
        result=latents_result(configs),
        guidance=Guidance(negative=True, norm=1, norm_patch=_PATCH),
        schedule=Schedule(linear=True, shift="linear", token=_PATCH * factor, default_strength=0.6),
    )
    return Recipe((stage,))


def defaults(configs: Configs) -> Defaults:
    """Those of diffusers' pipeline."""
    side = _ENTRIES * factor_of(configs)
    return Defaults(steps=50, guidance=4.0, width=side, height=side)


def channels_of(configs: Configs) -> int:
    """Channels of the latents."""
    return configs.of("vae").integer("z_dim", minimum=1, bound=CHANNELS)


def factor_of(configs: Configs) -> int:
    """Pixels along one side of an entry of the latents."""
    return configs.vae_factor(blocks="temperal_downsample", whole=0)


def numbers_of(configs: Configs) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of the latents, which the transformer draws at 0 and 1."""
    fields, count = configs.of("vae"), channels_of(configs)
    means, deviations = (fields.array(name) for name in ("latents_mean", "latents_std"))
    for name, given in (("latents_mean", means), ("latents_std", deviations)):
        if len(given) != count or not all(is_finite(number) for number in given):
            raise fields.fail(name, f"{count} finite numbers")
    if not all(scales(number) for number in deviations):
        raise fields.fail("latents_std", f"{count} numbers, each {SCALES}")
    return _rounded(means), _rounded(deviations)


def latents_result(configs: Configs) -> tuple[Part, ...]:
    """The final sample decoded, one picture at a time."""
    means, deviations = numbers_of(configs)
    return (
        Affine("x", "latents", over=_inverted(deviations), plus=means),
        Graph("vae_decoder", {"latent_sample": "latents"}, {"sample": "pixels"}, alone=True, tiled=True),
        Pictures("pixels"),
    )


def _inverted(numbers: tuple[float, ...]) -> tuple[float, ...]:
    """As diffusers rounds it, which divides by inverses."""
    return _rounded(np.float32(1) / np.asarray(numbers, np.float32))


def _rounded(numbers: Iterable[Any]) -> tuple[float, ...]:
    return tuple(float(np.float32(number)) for number in numbers)


QWEN_IMAGE = Family(
    name="qwen-image",
    pipelines=("QwenImagePipeline", "QwenImageImg2ImgPipeline"),
    recipe=recipe,
    defaults=defaults,
)
