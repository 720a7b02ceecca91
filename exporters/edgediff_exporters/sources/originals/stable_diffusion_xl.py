"""Checkpoints of Stable Diffusion XL: the base, what was distilled from it, and the refiner."""

from __future__ import annotations

from edgediff_exporters.sources.originals.base import Form, Layout
from edgediff_exporters.sources.originals.latent_diffusion import LDM_UNET, LDM_VAE, clip, open_clip

FORM = Form(
    "Stable Diffusion XL",
    {
        "unet": LDM_UNET,
        "text_encoder": (clip("conditioner.embedders.0.transformer."),),
        # The refiner has the second text encoder only, in the first place.
        "text_encoder_2": (open_clip("conditioner.embedders.1.model."), open_clip("conditioner.embedders.0.model.")),
        "vae": LDM_VAE,
    },
)
LAYOUTS = (
    Layout(
        "sdxl",
        FORM,
        {
            "input_blocks.0.0.weight": (320, 4, 3, 3),  # others inpaint, or edit
            "input_blocks.4.1.transformer_blocks.1.attn2.to_k.weight": (640, 2048),
            "middle_block.1.transformer_blocks.9.attn2.to_k.weight": (1280, 2048),  # small ones have fewer layers
            "label_emb.0.0.weight": (1280, 2816),
        },
        "Stable Diffusion XL",
        shared={
            "text_encoder": "clip-l",
            "text_encoder_2": "clip-g-projected",
            "tokenizer": "clip-tokenizer",
            "tokenizer_2": "clip-tokenizer-g",
            "vae": "vae-xl",
        },
    ),
    Layout(
        "sdxl-refiner",
        FORM,
        {"input_blocks.0.0.weight": (384, 4, 3, 3), "label_emb.0.0.weight": (1536, 2560)},
        "the refiner of Stable Diffusion XL",
        shared={"text_encoder_2": "clip-g-projected", "tokenizer_2": "clip-tokenizer-g", "vae": "vae-xl"},
    ),
)
