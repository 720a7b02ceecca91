"""FLUX.1 dev, schnell and Fill: their five graphs, with the names that optimum gives them.

Black Forest Labs 2024, https://github.com/black-forest-labs/flux.
"""

from __future__ import annotations

import torch
from diffusers import FluxTransformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Sines, called_by_name
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.families.stable_diffusion import (
    AUTOENCODERS,
    CHECKPOINT_LEFTOVERS,
    TOKENIZERS,
    vae_decoder,
    vae_encoder,
)
from edgediff_exporters.modules.text_encoders import T5_TOKENIZERS, clip_last, t5_encoder
from edgediff_exporters.sources.base import Source

_FP32 = torch.float32
_PATCH = 2 * 2  # entries of the latents in a token
_PLACES = 64  # rows and columns to check with
_GUIDANCE = 7.0  # scales to check with: up to it


def _check(source: Source) -> None:
    factor = 2 ** (len(source.config("vae")["block_out_channels"]) - 1)
    check_latents(source, patch=_PATCH, mask=factor**2)
    clip, t5 = source.config("text_encoder"), source.config("text_encoder_2")
    check_text(source, "pooled_projection_dim", clip.get("hidden_size"), "`hidden_size` of its CLIP")
    check_text(source, "joint_attention_dim", t5.get("d_model"), "`d_model` of its T5")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("T5EncoderModel",),
        "tokenizer": TOKENIZERS,
        "tokenizer_2": T5_TOKENIZERS,
        "transformer": ("FluxTransformer2DModel",),
        "vae": AUTOENCODERS,
    },
    leftovers=CHECKPOINT_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """CLIP, T5, transformer, VAE decoder, VAE encoder."""
    vae = source.config("vae")
    return (
        clip_last("text_encoder", source.config("text_encoder")),
        t5_encoder("text_encoder_2", source.config("text_encoder_2"), masked=False),
        _transformer(source.config("transformer")),
        vae_decoder(vae),
        vae_encoder(vae),
    )


def _transformer(config: Config) -> ComponentPlan:
    axes = len(config["axes_dims_rope"])
    inputs = [
        GraphInput("hidden_states", _FP32, ("batch", "tokens", config["in_channels"])),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
        GraphInput("pooled_projections", _FP32, ("batch", config["pooled_projection_dim"])),
        GraphInput("timestep", _FP32, ("batch",), positive=True),
        GraphInput("txt_ids", _FP32, ("sequence", axes), below=_PLACES),
        GraphInput("img_ids", _FP32, ("tokens", axes), below=_PLACES),
    ]
    if config.get("guidance_embeds"):
        inputs.append(GraphInput("guidance", _FP32, ("batch",), scale=_GUIDANCE, positive=True))

    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=FluxTransformer2DModel.from_config,
        forward=called_by_name(inputs),
        inputs=tuple(inputs),
        outputs=("out_hidden_states",),
        traced={"batch": 2, "tokens": 15, "sequence": 7},
        checked={"batch": 3, "tokens": 24, "sequence": 5},
        sines=(Sines("time_text_embed.time_proj", ("timestep", "guidance"), factor=1000.0),),
    )
