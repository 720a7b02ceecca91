"""Checkpoints of Stable Diffusion 1.x and 2.x."""

from __future__ import annotations

from edgediff_exporters.sources.originals.base import Form, Layout
from edgediff_exporters.sources.originals.latent_diffusion import LDM_UNET, LDM_VAE, clip, open_clip

FORM = Form(
    "Stable Diffusion 1.x or 2.x",
    {
        "unet": LDM_UNET,
        "text_encoder": (clip("cond_stage_model.transformer."), open_clip("cond_stage_model.model.")),
        "vae": LDM_VAE,
    },
)
_INPUT = {"input_blocks.0.0.weight": (320, 4, 3, 3)}  # others inpaint, or edit
_ATTENTION = "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
_SD1 = {
    **_INPUT,
    "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
    _ATTENTION: (320, 768),
}
_SD2 = {**_INPUT, "cond_stage_model.model.token_embedding.weight": (49408, 1024), _ATTENTION: (320, 1024)}
LAYOUTS = (
    Layout("sd1", FORM, _SD1, "Stable Diffusion 1.x"),
    Layout(
        "sd2",
        FORM,
        _SD2,
        "Stable Diffusion 2.x base (512x512, predicts noise)",
        ("epsilon", "stable-diffusion-v2-512"),
    ),
    Layout("sd2-v", FORM, _SD2, "Stable Diffusion 2.x (768x768, predicts v)", ("v", "stable-diffusion-v2-768-v")),
)
