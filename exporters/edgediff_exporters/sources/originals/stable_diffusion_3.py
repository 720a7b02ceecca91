"""Checkpoints of Stable Diffusion 3 and 3.5: the transformer and its VAE, with text encoders or without.

Names and places as in diffusers' ``convert_sd3_transformer_checkpoint_to_diffusers``, which copies every tensor that it
splits; here all are views of the mapped file, but for the last layers' modulation.
"""

from __future__ import annotations

from edgediff_exporters.sources.originals.base import (
    UNET,
    Config,
    Form,
    Layout,
    Original,
    Tensors,
    convert,
    unchanged,
)
from edgediff_exporters.sources.originals.latent_diffusion import LDM_VAE, clip, with_projection
from edgediff_runtimes.weights.original_names import stable_diffusion_3


def _convert(tensors: Tensors, config: Config) -> Tensors:
    width = config["num_attention_heads"] * config["attention_head_dim"]
    return convert(stable_diffusion_3(config["num_layers"]), tensors, sizes=lambda parts: [width] * parts)


FORM = Form(
    "Stable Diffusion 3",
    {
        "transformer": tuple(Original(prefix, r"x_embedder\.proj\.weight", _convert) for prefix in (UNET, "")),
        "text_encoder": (clip("text_encoders.clip_l.transformer.", with_projection),),
        "text_encoder_2": (clip("text_encoders.clip_g.transformer."),),
        "text_encoder_3": (Original("text_encoders.t5xxl.transformer.", r"shared\.weight", unchanged),),
        "vae": LDM_VAE,
    },
    optional=("text_encoder_3",),
)
_SHARED = {
    "text_encoder": "clip-l-projected",
    "text_encoder_2": "clip-g-projected",
    "text_encoder_3": "t5-xxl",
    "tokenizer": "clip-tokenizer",
    "tokenizer_2": "clip-tokenizer-g",
    "vae": "vae-sd3",
}


def _shapes(*, width: int, layers: int, places: int, normed: bool, dual: bool) -> dict[str, tuple[int, ...] | None]:
    last = f"joint_blocks.{layers - 1}"
    return {
        "x_embedder.proj.weight": (width, 16, 2, 2),
        "pos_embed": (1, places**2, width),
        f"{last}.x_block.attn.qkv.weight": (3 * width, width),
        f"joint_blocks.{layers}.x_block.attn.qkv.weight": None,
        "joint_blocks.0.x_block.attn.ln_q.weight": (64,) if normed else None,
        "joint_blocks.12.x_block.attn2.qkv.weight": (3 * width, width) if dual else None,
    }


LAYOUTS = (
    Layout(
        "sd3-medium",
        FORM,
        _shapes(width=1536, layers=24, places=192, normed=False, dual=False),
        "Stable Diffusion 3 Medium",
        shared=_SHARED,
    ),
    Layout(
        "sd3.5-medium",
        FORM,
        _shapes(width=1536, layers=24, places=384, normed=True, dual=True),
        "Stable Diffusion 3.5 Medium",
        shared=_SHARED,
    ),
    Layout(
        "sd3.5-large",
        FORM,
        _shapes(width=2432, layers=38, places=192, normed=True, dual=False),
        "Stable Diffusion 3.5 Large",
        shared=_SHARED,
    ),
)
