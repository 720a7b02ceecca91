"""Checkpoints of Stable Diffusion 3 and 3.5: the transformer and its VAE, with text encoders or without.

Names and places as in diffusers' ``convert_sd3_transformer_checkpoint_to_diffusers``, which copies every tensor that it
splits; here all are views of the mapped file, but for the last layers' modulation.
"""

from __future__ import annotations

from dataclasses import replace

from edgediff_exporters.sources.originals.base import UNET, Config, Form, Layout, Names, Original, Tensors, unchanged
from edgediff_exporters.sources.originals.latent_diffusion import LDM_VAE, clip, with_projection

_BLOCK = r"joint_blocks\.(\d+)\."
_NAMES = Names(
    plain={
        "pos_embed": "pos_embed.pos_embed",
        r"x_embedder\.proj": "pos_embed.proj",
        r"t_embedder\.mlp\.0": "time_text_embed.timestep_embedder.linear_1",
        r"t_embedder\.mlp\.2": "time_text_embed.timestep_embedder.linear_2",
        r"y_embedder\.mlp\.0": "time_text_embed.text_embedder.linear_1",
        r"y_embedder\.mlp\.2": "time_text_embed.text_embedder.linear_2",
        r"final_layer\.linear": "proj_out",
        **{
            _BLOCK + old: rf"transformer_blocks.\1.{new}"
            for old, new in {
                r"x_block\.adaLN_modulation\.1": "norm1.linear",
                r"context_block\.adaLN_modulation\.1": "norm1_context.linear",
                r"x_block\.(attn2?)\.ln_([qk])": r"\2.norm_\3",
                r"context_block\.attn\.ln_([qk])": r"attn.norm_added_\2",
                r"x_block\.(attn2?)\.proj": r"\2.to_out.0",
                r"context_block\.attn\.proj": "attn.to_add_out",
                r"x_block\.mlp\.fc1": "ff.net.0.proj",
                r"x_block\.mlp\.fc2": "ff.net.2",
                r"context_block\.mlp\.fc1": "ff_context.net.0.proj",
                r"context_block\.mlp\.fc2": "ff_context.net.2",
            }.items()
        },
    },
    split={
        rf"{_BLOCK}x_block\.(attn2?)\.qkv": tuple(rf"transformer_blocks.\1.\2.to_{one}" for one in "qkv"),
        rf"{_BLOCK}context_block\.attn\.qkv": tuple(rf"transformer_blocks.\1.attn.add_{one}_proj" for one in "qkv"),
    },
    swapped={r"final_layer\.adaLN_modulation\.1": "norm_out.linear"},
)


def _convert(tensors: Tensors, config: Config) -> Tensors:
    width, last = config["num_attention_heads"] * config["attention_head_dim"], config["num_layers"] - 1
    # The last block only reads the text: its modulation is that of an output.
    swapped = {
        **_NAMES.swapped,
        rf"joint_blocks\.{last}\.context_block\.adaLN_modulation\.1": f"transformer_blocks.{last}.norm1_context.linear",
    }
    return replace(_NAMES, swapped=swapped).convert(tensors, sizes=lambda parts: [width] * parts)


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
