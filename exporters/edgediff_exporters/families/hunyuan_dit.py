"""Hunyuan-DiT 1.0 to 1.2: its four graphs.

Li et al. 2024, "Hunyuan-DiT: A Powerful Multi-Resolution Diffusion Transformer with Fine-Grained Chinese
Understanding".
"""

from __future__ import annotations

from typing import Any, final

import torch
from diffusers import HunyuanDiT2DModel
from diffusers.models.embeddings import HunyuanDiTAttentionPool, get_2d_rotary_pos_embed_from_grid

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.families.stable_diffusion import UNREAD, vae_decoder
from edgediff_exporters.modules.text_encoders import (
    BERT_LEFTOVERS,
    BERT_TOKENIZERS,
    T5_TOKENIZERS,
    bert_encoder,
    t5_encoder,
)
from edgediff_exporters.sources.base import Source

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000
_PIXELS = 1024.0  # what sizes are about
_PLACES = 32.0  # rows and columns are counted up to here


def _check(source: Source) -> None:
    check_latents(source)
    bert, t5 = source.config("text_encoder"), source.config("text_encoder_2")
    check_text(source, "cross_attention_dim", bert.get("hidden_size"), "`hidden_size` of its BERT")
    check_text(source, "cross_attention_dim_t5", t5.get("d_model"), "`d_model` of its T5")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("BertModel",),
        "text_encoder_2": ("T5EncoderModel", "MT5EncoderModel"),
        "tokenizer": BERT_TOKENIZERS,
        "tokenizer_2": T5_TOKENIZERS,
        "transformer": ("HunyuanDiT2DModel",),
        "vae": ("AutoencoderKL",),
    },
    unread=UNREAD,
    leftovers=BERT_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """BERT, T5, transformer, VAE decoder."""
    return (
        bert_encoder("text_encoder", source.config("text_encoder")),
        t5_encoder("text_encoder_2", source.config("text_encoder_2"), masked=True),
        _transformer(source.config("transformer")),
        vae_decoder(source.config("vae")),
    )


@final
class _Pool(HunyuanDiTAttentionPool):  # type: ignore[misc] # diffusers' base has no types
    """The same, calling its layers and not reading their weights: the module's weights are there in a call alone."""

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        tokens = torch.cat([text.mean(1, keepdim=True), text], 1) + self.positional_embedding
        query, key, value = (
            layer(states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer, states in ((self.q_proj, tokens[:, :1]), (self.k_proj, tokens), (self.v_proj, tokens))
        )
        seen = torch.nn.functional.scaled_dot_product_attention(query, key, value)
        pooled: torch.Tensor = self.c_proj(seen.transpose(1, 2).flatten(2))[:, 0]
        return pooled


def _build(config: Config) -> torch.nn.Module:
    module: torch.nn.Module = HunyuanDiT2DModel.from_config(config)
    embedding: Any = module.time_extra_emb
    pool = embedding.pooler
    places, width = pool.positional_embedding.shape
    embedding.pooler = _Pool(places - 1, width, pool.num_heads, pool.c_proj.out_features)
    embedding.register_forward_pre_hook(_as_the_text, with_kwargs=True)
    return module


def _as_the_text(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The embedding of the time computes as the text's does, while the time itself stays exact."""
    return args, {**kwargs, "hidden_dtype": args[1].dtype}


def _transformer(config: Config) -> ComponentPlan:
    channels, head, patch = config["in_channels"], config["attention_head_dim"], config["patch_size"]
    lengths = config.get("text_len", 77), config.get("text_len_t5", 256)
    inputs = [
        GraphInput("hidden_states", _FP32, ("batch", channels, "height", "width")),
        GraphInput("timestep", _FP32, ("batch",), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_hidden_states", _FP32, ("batch", lengths[0], config["cross_attention_dim"])),
        GraphInput("text_embedding_mask", torch.int64, ("batch", lengths[0]), padding="right"),
        GraphInput("encoder_hidden_states_t5", _FP32, ("batch", lengths[1], config["cross_attention_dim_t5"])),
        GraphInput("text_embedding_mask_t5", torch.int64, ("batch", lengths[1]), padding="right"),
        GraphInput("image_ids", _FP32, ("tokens", 2), scale=_PLACES, positive=True, exact=True),
    ]
    if config.get("use_style_cond_and_image_meta_size", True):
        inputs.append(GraphInput("image_meta_size", _FP32, ("batch", 6), scale=_PIXELS, positive=True, exact=True))
    names = [item.name for item in inputs]

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        named = dict(zip(names, tensors, strict=True))
        rows, columns = named.pop("image_ids").unbind(-1)
        (out,) = module(
            **named,
            style=named["text_embedding_mask"].new_zeros(tensors[0].shape[0]),  # there is one
            image_rotary_emb=get_2d_rotary_pos_embed_from_grid(head, (columns, rows), use_real=True),
            return_dict=False,
        )
        return (out[:, :channels],)

    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=_build,
        forward=forward,
        inputs=tuple(inputs),
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 3 * patch, "width": 5 * patch, "tokens": 15},
        checked={"batch": 3, "height": 6 * patch, "width": 4 * patch, "tokens": 24},
        sines=(
            Sines("time_extra_emb.time_proj", ("timestep",)),
            Sines("time_extra_emb.size_proj", ("image_meta_size",)),
        ),
    )
