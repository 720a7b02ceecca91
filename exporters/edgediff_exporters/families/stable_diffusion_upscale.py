"""Stable Diffusion's x4 upscaler: its three graphs.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models". The U-Net takes the small picture's
colours beside the latents, and the level of its noise as a label.
"""

from __future__ import annotations

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan
from edgediff_exporters.families.fitting import check_colours
from edgediff_exporters.families.stable_diffusion import CLIP_LEFTOVERS, TOKENIZERS, UNREAD, unet, vae_decoder
from edgediff_exporters.modules.text_encoders import clip_last
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.stable_diffusion_upscale import NOISES

_RGB = 3


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, U-Net, VAE decoder."""
    config = source.config("unet")
    return (
        clip_last("text_encoder", source.config("text_encoder")),
        unet(config, levels=config["num_class_embeds"]),
        vae_decoder(source.config("vae")),
    )


def _check(source: Source) -> None:
    network, latent = source.config("unet"), source.config("vae").get("latent_channels", 4)
    takes, gives = network.get("in_channels", 4), network.get("out_channels", 4)
    if takes != latent + _RGB or gives != latent:
        raise SourceError(
            f"the U-Net takes {takes} channels and gives {gives}: expected {latent + _RGB} and {latent}, for its VAE's "
            "latents and the colours of the small picture"
        )
    if network.get("num_class_embeds") is None or network.get("class_embed_type") is not None:
        raise SourceError("the U-Net has no table of levels: expected `num_class_embeds`, and no `class_embed_type`")
    check_colours(source)
    wanted, width = source.config("text_encoder").get("hidden_size"), network.get("cross_attention_dim")
    if width != wanted:
        raise SourceError(f"the U-Net's `cross_attention_dim` is {width}: expected {wanted}, `hidden_size` of its text")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("CLIPTextModel",),
        "tokenizer": TOKENIZERS,
        "unet": ("UNet2DConditionModel",),
        "vae": ("AutoencoderKL",),
    },
    unread={
        **UNREAD,
        NOISES: "its config is read, which says how the small picture is noised",
        "watermarker": "it marks pictures and does not draw",
    },
    leftovers=CLIP_LEFTOVERS,
    check=_check,
)
