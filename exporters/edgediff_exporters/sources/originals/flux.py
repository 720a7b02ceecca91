"""Checkpoints of FLUX.1 dev and schnell: mostly the transformer alone, in the names of Black Forest Labs' code.

Names and places as in diffusers' ``convert_flux_transformer_checkpoint_to_diffusers``, which copies every tensor that
it splits; here all are views of the mapped file, but for the last layer's modulation.
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
from edgediff_exporters.sources.originals.latent_diffusion import LDM_VAE, clip
from edgediff_runtimes.weights.original_names import FLUX

_MLP = 4  # its width in widths of the model


def _convert(tensors: Tensors, config: Config) -> Tensors:
    width = config["num_attention_heads"] * config["attention_head_dim"]
    return convert(FLUX, tensors, sizes=lambda parts: [width, width, width, _MLP * width][:parts])


FORM = Form(
    "FLUX.1",
    {
        "transformer": tuple(Original(prefix, r"img_in\.weight", _convert) for prefix in (UNET, "")),
        "text_encoder": (clip("text_encoders.clip_l.transformer."),),
        "text_encoder_2": (Original("text_encoders.t5xxl.transformer.", r"shared\.weight", unchanged),),
        "vae": LDM_VAE,
    },
)
_SHAPES = {
    "img_in.weight": (3072, 64),  # others fill, or take edges or depths
    "double_blocks.18.img_attn.qkv.weight": (9216, 3072),
    "single_blocks.37.linear1.weight": (21504, 3072),
}
_SHARED = {
    "text_encoder": "clip-l",
    "text_encoder_2": "t5-xxl",
    "tokenizer": "clip-tokenizer",
    "vae": "vae-flux",
}
_GUIDANCE = "guidance_in.in_layer.weight"
LAYOUTS = (
    Layout("flux-dev", FORM, {**_SHAPES, _GUIDANCE: (3072, 256)}, "FLUX.1 dev", shared=_SHARED),
    Layout("flux-schnell", FORM, {**_SHAPES, _GUIDANCE: None}, "FLUX.1 schnell", shared=_SHARED),
)
