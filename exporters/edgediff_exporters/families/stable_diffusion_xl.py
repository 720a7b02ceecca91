"""Stable Diffusion XL: its four kinds of graphs, with the names that optimum gives them; a refiner, alone or behind it.

Podell et al. 2023, "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis".
"""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel

from edgediff_exporters.families.admitted import Admitted, has
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.families.stable_diffusion import (
    AUTOENCODERS,
    CHECKPOINT_LEFTOVERS,
    STEERED,
    TOKENIZERS,
    check_channels,
    vae_decoder,
    vae_encoder,
)
from edgediff_exporters.modules.text_encoders import clip_states
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.stable_diffusion_xl import size_numbers

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000
_PIXELS = 1024.0  # what sizes are about

_REFINER = "refiner_unet"  # of a model that goes on behind the base


def _encoders(source: Source) -> tuple[str, ...]:
    """The refiner alone has the second one only."""
    return ("text_encoder", "text_encoder_2") if has(source, "text_encoder") else ("text_encoder_2",)


def _check(source: Source) -> None:
    check_channels(source, _encoders(source), edits=not has(source, _REFINER))
    if has(source, _REFINER):
        check_channels(source, ("text_encoder_2",), network=_REFINER)


ADMITTED = Admitted(
    classes={
        "text_encoder": ("CLIPTextModel",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "tokenizer": TOKENIZERS,
        "tokenizer_2": TOKENIZERS,
        "unet": ("UNet2DConditionModel",),
        _REFINER: ("UNet2DConditionModel",),
        "vae": AUTOENCODERS,
    },
    unread=STEERED,
    leftovers=CHECKPOINT_LEFTOVERS,
    optional=("text_encoder", "tokenizer", _REFINER),
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoders, U-Net, the refiner's where there is one, VAE decoder, VAE encoder."""
    vae, second = source.config("vae"), source.config("text_encoder_2")
    networks = ("unet", _REFINER) if has(source, _REFINER) else ("unet",)
    return (
        *(clip_states(role, source.config(role), projected=role == "text_encoder_2") for role in _encoders(source)),
        *(sized_unet(role, source.config(role), pooled=second["projection_dim"]) for role in networks),
        vae_decoder(vae),
        vae_encoder(vae),
    )


def sized_unet(role: str, config: Config, *, pooled: int) -> ComponentPlan:
    """A U-Net that is told sizes.

    Args:
        role: Its directory, in the source and in the bundle.
        config: Its config.
        pooled: How wide the pooled text is.

    Raises:
        SourceError: It is told something else.
    """
    if config.get("addition_embed_type") != "text_time":
        raise SourceError(
            f"the U-Net's `addition_embed_type` is `{config.get('addition_embed_type')}`: expected `text_time`, "
            "which is how a Stable Diffusion XL U-Net is told sizes"
        )
    width = config.get("encoder_hid_dim") or config["cross_attention_dim"]  # a U-Net may project the text itself
    told = ("batch", size_numbers(config, pooled))
    inputs = [
        GraphInput("sample", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("timestep", _FP32, (1,), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", width)),
        GraphInput("text_embeds", _FP32, ("batch", pooled), exact=True),  # joined to what is made of the sizes
        GraphInput("time_ids", _FP32, told, scale=_PIXELS, positive=True, exact=True),
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
        role=role,
        origin=role,
        build=UNet2DConditionModel.from_config,
        forward=forward,
        inputs=tuple(inputs),
        outputs=("out_sample",),
        traced={"batch": 2, "height": 9, "width": 15, "sequence": 7},
        checked={"batch": 3, "height": 16, "width": 12, "sequence": 5},
        sines=(Sines("time_proj", ("timestep",)), Sines("add_time_proj", ("time_ids",))),
    )
