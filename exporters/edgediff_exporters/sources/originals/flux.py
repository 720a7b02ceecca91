"""Checkpoints of FLUX.1 dev and schnell: mostly the transformer alone, in the names of Black Forest Labs' code.

Names and places as in diffusers' ``convert_flux_transformer_checkpoint_to_diffusers``, which copies every tensor that
it splits; here all are views of the mapped file, but for the last layer's modulation.
"""

from __future__ import annotations

from edgediff_exporters.sources.originals.base import UNET, Config, Form, Layout, Names, Original, Tensors, unchanged
from edgediff_exporters.sources.originals.latent_diffusion import LDM_VAE, clip

_EMBEDDERS = {"time": "timestep", "vector": "text", "guidance": "guidance"}
_BLOCK, _SINGLE = r"double_blocks\.(\d+)\.", r"single_blocks\.(\d+)\."
_NAMES = Names(
    plain={
        "img_in": "x_embedder",
        "txt_in": "context_embedder",
        r"final_layer\.linear": "proj_out",
        **{
            rf"{old}_in\.{layer}_layer": f"time_text_embed.{new}_embedder.linear_{number}"
            for old, new in _EMBEDDERS.items()
            for number, layer in enumerate(("in", "out"), 1)
        },
        **{
            _BLOCK + old: rf"transformer_blocks.\1.{new}"
            for old, new in {
                r"img_mod\.lin": "norm1.linear",
                r"txt_mod\.lin": "norm1_context.linear",
                r"img_attn\.norm\.query_norm": "attn.norm_q",
                r"img_attn\.norm\.key_norm": "attn.norm_k",
                r"txt_attn\.norm\.query_norm": "attn.norm_added_q",
                r"txt_attn\.norm\.key_norm": "attn.norm_added_k",
                r"img_attn\.proj": "attn.to_out.0",
                r"txt_attn\.proj": "attn.to_add_out",
                r"img_mlp\.0": "ff.net.0.proj",
                r"img_mlp\.2": "ff.net.2",
                r"txt_mlp\.0": "ff_context.net.0.proj",
                r"txt_mlp\.2": "ff_context.net.2",
            }.items()
        },
        **{
            _SINGLE + old: rf"single_transformer_blocks.\1.{new}"
            for old, new in {
                r"modulation\.lin": "norm.linear",
                r"norm\.query_norm": "attn.norm_q",
                r"norm\.key_norm": "attn.norm_k",
                "linear2": "proj_out",
            }.items()
        },
    },
    split={
        rf"{_BLOCK}img_attn\.qkv": tuple(rf"transformer_blocks.\1.attn.to_{one}" for one in "qkv"),
        rf"{_BLOCK}txt_attn\.qkv": tuple(rf"transformer_blocks.\1.attn.add_{one}_proj" for one in "qkv"),
        f"{_SINGLE}linear1": (
            *(rf"single_transformer_blocks.\1.attn.to_{one}" for one in "qkv"),
            r"single_transformer_blocks.\1.proj_mlp",
        ),
    },
    swapped={r"final_layer\.adaLN_modulation\.1": "norm_out.linear"},
)
_MLP = 4  # its width in widths of the model


def _convert(tensors: Tensors, config: Config) -> Tensors:
    width = config["num_attention_heads"] * config["attention_head_dim"]
    return _NAMES.convert(tensors, sizes=lambda parts: [width, width, width, _MLP * width][:parts])


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
