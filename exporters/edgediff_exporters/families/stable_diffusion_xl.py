"""Stable Diffusion XL: its four kinds of graphs, with the names that optimum gives them.

Podell et al. 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis".
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.families.stable_diffusion import (
    CLIP_LEFTOVERS,
    TOKENIZERS,
    UNREAD,
    check_channels,
    vae_decoder,
    vae_encoder,
)
from edgediff_exporters.modules.text_encoders import clip_states
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000
_SIZES = 6  # original, crop and target, two numbers each
_PIXELS = 1024.0  # what sizes are about

ADMITTED = Admitted(
    classes={
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "tokenizer": TOKENIZERS,
        "tokenizer_2": TOKENIZERS,
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
    },
    unread=UNREAD,
    leftovers=CLIP_LEFTOVERS,
    check=lambda source: check_channels(source, ("text_encoder", "text_encoder_2")),
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Both text encoders, U-Net, VAE decoder, VAE encoder."""
    vae, second = source.config("vae"), source.config("text_encoder_2")
    return (
        clip_states("text_encoder", source.config("text_encoder"), projected=False),
        clip_states("text_encoder_2", second, projected=True),
        _unet(source.config("unet"), pooled=second["projection_dim"]),
        vae_decoder(vae),
        vae_encoder(vae),
    )


def _unet(config: Config, *, pooled: int) -> ComponentPlan:
    if config.get("addition_embed_type") != "text_time":
        raise SourceError(
            f"the U-Net's `addition_embed_type` is `{config.get('addition_embed_type')}`: expected `text_time`, "
            "which is how a Stable Diffusion XL U-Net is told sizes"
        )
    inputs = [
        GraphInput("sample", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("timestep", _FP32, (1,), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["cross_attention_dim"])),
        GraphInput("text_embeds", _FP32, ("batch", pooled)),
        GraphInput("time_ids", _FP32, ("batch", _SIZES), scale=_PIXELS, positive=True),
    ]
    if config.get("time_cond_proj_dim"):
        inputs.append(GraphInput("timestep_cond", _FP32, ("batch", config["time_cond_proj_dim"])))

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        sample, timestep, hidden, text_embeds, time_ids, *guidance = tensors
        out: Outputs = module(
            sample,
            timestep,
            hidden,
            timestep_cond=guidance[0] if guidance else None,
            added_cond_kwargs={"text_embeds": text_embeds, "time_ids": time_ids},
            return_dict=False,
        )
        return out

    # Odd sizes: at even ones diffusers takes a branch that is fixed in the graph and fails at every odd size.
    return ComponentPlan(
        role="unet",
        origin="unet",
        build=UNet2DConditionModel.from_config,
        forward=forward,
        inputs=tuple(inputs),
        outputs=("out_sample",),
        traced={"batch": 2, "height": 9, "width": 15, "sequence": 7},
        checked={"batch": 3, "height": 16, "width": 12, "sequence": 5},
    )
