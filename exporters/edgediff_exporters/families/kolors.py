"""Kolors: its language model; U-Net and VAE are planned as those of Stable Diffusion XL.

Kolors Team 2024, "Kolors: Effective Training of Diffusion Model for Photorealistic Text-to-Image Synthesis".
"""

from __future__ import annotations

import warnings

import torch

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.families.stable_diffusion import (
    AUTOENCODERS,
    UNREAD,
    check_channels,
    vae_decoder,
    vae_encoder,
)
from edgediff_exporters.families.stable_diffusion_xl import sized_unet
from edgediff_exporters.sources.base import Source

with warnings.catch_warnings():  # of torch, about a decorator that diffusers uses
    warnings.simplefilter("ignore", DeprecationWarning)
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

ADMITTED = Admitted(
    classes={
        "text_encoder": ("ChatGLMModel",),
        "tokenizer": ("ChatGLMTokenizer",),
        "unet": ("UNet2DConditionModel",),
        "vae": AUTOENCODERS,
    },
    unread=UNREAD,
    check=lambda source: check_channels(source, width="encoder_hid_dim"),
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, U-Net, VAE decoder, VAE encoder."""
    vae, text = source.config("vae"), source.config("text_encoder")
    return (
        _chatglm(text),
        sized_unet("unet", source.config("unet"), pooled=text["hidden_size"]),
        vae_decoder(vae),
        vae_encoder(vae),
    )


def _chatglm(config: Config) -> ComponentPlan:
    def forward(
        module: torch.nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor, position_ids: torch.Tensor
    ) -> Outputs:
        out = module(
            input_ids=input_ids,
            full_attention_mask=_unseen(attention_mask),
            position_ids=position_ids,
            use_cache=False,
            output_hidden_states=True,
        )
        # Tokens are the first axis of its states; the last one is that of a text, for padding comes first.
        return out.hidden_states[-2].transpose(0, 1), out.hidden_states[-1][-1]

    return ComponentPlan(
        role="text_encoder",
        origin="text_encoder",
        # By default it takes memory for parameters and leaves it as it is, which cannot be done where they take none.
        build=lambda config: ChatGLMModel(ChatGLMConfig.from_dict(config), empty_init=False),
        forward=forward,
        inputs=(
            GraphInput("input_ids", torch.int64, ("batch", "sequence"), below=config["padded_vocab_size"]),
            GraphInput("attention_mask", torch.int64, ("batch", "sequence"), padding="either"),
            GraphInput("position_ids", torch.int64, ("batch", "sequence"), below=config["seq_length"]),
        ),
        outputs=(f"hidden_states.{config['num_layers'] - 1}", "pooler_output"),
        traced={"batch": 2, "sequence": 9},
        checked={"batch": 3, "sequence": 14},
    )


def _unseen(mask: torch.Tensor) -> torch.Tensor:
    """What each token does not see, ``(batch, 1, tokens, tokens)``: later ones and padding; padding itself sees all.

    As the model's own ``get_masks``, which it calls or not by what is in the mask: no graph can do that.
    """
    length, text = mask.shape[1], mask.bool()
    seen = torch.ones(length, length, dtype=torch.bool).tril() & text[:, None]
    return ~(seen | ~text[:, :, None])[:, None]
