"""SANA: its three graphs.

Xie et al. 2024, "SANA: Efficient High-Resolution Image Synthesis with Linear Diffusion Transformers".
"""

from __future__ import annotations

from math import isqrt

import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Sines, called_by_name
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.modules.language_models import (
    GEMMA_TOKENIZERS,
    LANGUAGE_MODEL_LEFTOVERS,
    decoder_states,
    gemma2,
)
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000
_HEAD_CHANNELS = 32  # of diffusers' AutoencoderDC, for configs that do not say


def check_parts(source: Source) -> None:
    """Whether the components fit each other.

    Raises:
        SourceError: They do not.
    """
    check_latents(source)
    text = source.config("text_encoder").get("hidden_size")
    check_text(source, "caption_channels", text, "`hidden_size` of its text")


def _check(source: Source) -> None:
    check_parts(source)
    if source.config("transformer").get("guidance_embeds"):
        raise SourceError("the transformer is that of SANA-Sprint (`guidance_embeds`): expected one of SANA")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("Gemma2Model", "Gemma2ForCausalLM"),
        "tokenizer": GEMMA_TOKENIZERS,
        "transformer": ("SanaTransformer2DModel",),
        "vae": ("AutoencoderDC",),
    },
    leftovers=LANGUAGE_MODEL_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, transformer, decoder."""
    return (
        text_encoder(source.config("text_encoder")),
        _transformer(source.config("transformer")),
        decoder(source.config("vae")),
    )


def text_encoder(config: Config) -> ComponentPlan:
    """Gemma 2, whose last states are the text."""
    return decoder_states(
        "text_encoder", config, build=gemma2, takes={"last_hidden_state": lambda out: out.last_hidden_state}
    )


def _transformer(config: Config) -> ComponentPlan:
    inputs = (
        GraphInput("hidden_states", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["caption_channels"])),
        GraphInput("timestep", _FP32, ("batch",), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_attention_mask", torch.int64, ("batch", "sequence"), padding="right"),
    )
    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=SanaTransformer2DModel.from_config,
        forward=called_by_name(inputs),
        inputs=inputs,
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 5, "width": 7, "sequence": 9},
        checked={"batch": 3, "height": 6, "width": 4, "sequence": 12},
        sines=(Sines("time_embed.emb.time_proj", ("timestep",)),),
    )


def decoder(config: Config) -> ComponentPlan:
    """The decoder of an ``AutoencoderDC``."""
    traced, checked = latent_sizes(config)
    return ComponentPlan(
        role="vae_decoder",
        origin="vae",
        build=AutoencoderDC.from_config,
        forward=lambda module, latent_sample: module.decode(latent_sample, return_dict=False),
        inputs=(GraphInput("latent_sample", _FP32, ("batch", config["latent_channels"], "height", "width")),),
        outputs=("sample",),
        traced=traced,
        checked=checked,
    )


def latent_sizes(config: Config) -> tuple[dict[str, int], dict[str, int]]:
    """Sizes of latents to trace an ``AutoencoderDC`` with, and to check it with.

    It attends in time and memory linear in the entries only where these are more than the channels of a head, and the
    graph is fixed to one of the two: all these sizes have more.
    """
    side = isqrt(config.get("attention_head_dim", _HEAD_CHANNELS)) + 1
    return {"batch": 2, "height": side + 2, "width": side + 4}, {"batch": 3, "height": side + 3, "width": side + 1}
