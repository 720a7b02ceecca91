"""Qwen2.5-VL where it looks at pictures: the vision tower, and the decoder that reads what it saw.

Bai et al. 2025, "Qwen2.5-VL Technical Report", section 2.1. In transformers the tower cuts one row of patches into
windows whose lengths depend on the picture's size. Here windows are rows of their own, all of one length: where the
picture ends inside of one, what is missing belongs to no picture and is seen by none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, final

import torch
from transformers import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLVisionBlock,
    apply_rotary_pos_emb_vision,
)

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.modules.language_models import added_masks, decoder_states, text_config

_FP32, _INT64 = torch.float32, torch.int64
_PREFIXES = ("model.visual.", "visual.")
_PLACES = 64  # rows and columns to check with


@final
class _Tower(Qwen2_5_VisionTransformerPretrainedModel):  # type: ignore[misc] # transformers' base has no types
    """The same, of windows."""

    def __init__(self, config: Qwen2_5_VLVisionConfig) -> None:
        super().__init__(config)
        # One product for each patch, which the convolution is: it never moves.
        numbers = config.in_channels * config.temporal_patch_size * config.patch_size**2
        self.patch_embed.proj = torch.nn.Linear(numbers, config.hidden_size, bias=False)

    def forward(
        self, pixels: torch.Tensor, positions: torch.Tensor, pictures: torch.Tensor, order: torch.Tensor
    ) -> Outputs:
        frames, colours = self.config.temporal_patch_size, self.config.in_channels
        # A film that stands still.
        still = pixels.reshape(*pixels.shape[:2], colours, 1, -1).expand(-1, -1, -1, frames, -1)
        hidden = self.patch_embed.proj(still.flatten(2))
        cos, sin = self.rotary_pos_emb(hidden, positions.flatten(0, 1))
        everywhere = (cos[None], sin[None]), _alike(pictures.flatten()[None])
        nearby = (cos.reshape(*pictures.shape, -1), sin.reshape(*pictures.shape, -1)), _alike(pictures)
        for number, block in enumerate(self.blocks):
            if number in self.fullatt_block_indexes:
                whole = _through(block, hidden.flatten(0, 1)[None], *everywhere, attend=_head_by_head)
                hidden = whole.reshape(hidden.shape)
            else:
                hidden = _through(block, hidden, *nearby, attend=torch.nn.functional.scaled_dot_product_attention)
        return (self.merger(hidden)[order],)


def _alike(pictures: torch.Tensor) -> torch.Tensor:
    """Who sees whom: patches of one picture each other."""
    return (pictures[:, :, None] == pictures[:, None])[:, None]


def _through(
    block: Qwen2_5_VLVisionBlock,
    hidden: torch.Tensor,
    turns: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor,
    *,
    attend: Callable[..., torch.Tensor],
) -> torch.Tensor:
    attention = block.attn
    query, key, value = attention.qkv(block.norm1(hidden)).unflatten(-1, (3, attention.num_heads, -1)).unbind(2)
    query, key = apply_rotary_pos_emb_vision(query, key, *turns)
    seen = attend(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask)
    hidden = hidden + attention.proj(seen.transpose(1, 2).flatten(2))
    out: torch.Tensor = hidden + block.mlp(block.norm2(hidden))
    return out


def _head_by_head(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, attn_mask: torch.Tensor
) -> torch.Tensor:
    """Attention with the scores of one head in memory at a time: for a megapixel 160 MB, of which each step has one."""
    seen = [
        torch.nn.functional.scaled_dot_product_attention(
            query[:, head : head + 1], key[:, head : head + 1], value[:, head : head + 1], attn_mask=attn_mask
        )
        for head in range(query.shape[1])
    ]
    return torch.cat(seen, 1)


def _tower(config: Config) -> torch.nn.Module:
    module: torch.nn.Module = _Tower._from_config(Qwen2_5_VLVisionConfig.from_dict(config["vision_config"]))  # noqa: SLF001 - as in language_models
    return module


def _without_prefix(name: str) -> str:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return f"text.{name}"  # so that none of the decoder's is taken for one of its own


def vision_tower(role: str, config: Config, *, origin: str) -> ComponentPlan:
    """What looks at pictures.

    Args:
        role: Its directory in the bundle.
        config: Of the whole model.
        origin: That model's directory in the source.
    """
    vision = Qwen2_5_VLVisionConfig.from_dict(config["vision_config"])
    cells = (vision.window_size // vision.patch_size // vision.spatial_merge_size) ** 2
    patches = cells * vision.spatial_merge_size**2
    return ComponentPlan(
        role=role,
        origin=origin,
        build=_tower,
        forward=lambda module, *tensors: module(*tensors),
        inputs=(
            GraphInput("pixel_values", _FP32, ("windows", patches, vision.in_channels * vision.patch_size**2)),
            GraphInput("patch_positions", _INT64, ("windows", patches, 2), below=_PLACES),
            GraphInput("patch_pictures", _INT64, ("windows", patches), below=3),
            GraphInput("token_order", _INT64, ("image_tokens",), below=cells),
        ),
        outputs=("image_embeds",),
        traced={"windows": 3, "image_tokens": 7},
        checked={"windows": 5, "image_tokens": 11},
        rename=_without_prefix,
    )


def seeing_states(
    role: str,
    config: Config,
    *,
    build: Callable[[Config], torch.nn.Module],
    takes: Mapping[str, Callable[[Any], torch.Tensor]],
) -> ComponentPlan:
    """As ``decoder_states``, of texts among whose tokens pictures stand.

    Args:
        role: As there.
        config: Of the whole model; its ``image_token_id`` is the token in whose place what was seen is read.
        build: As there.
        takes: As there.
    """
    mark = config["image_token_id"]

    def forward(
        module: torch.nn.Module,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        image_embeds: torch.Tensor,
    ) -> Outputs:
        embeds, seen = module.get_submodule("embed_tokens")(input_ids), input_ids == mark
        # Of the nth mark in a row the nth token seen; elsewhere whichever.
        last = torch.arange(image_embeds.shape[0]).max()
        which = torch.minimum((seen.long().cumsum(1) - 1).clamp(min=0), last)
        out = module(
            inputs_embeds=torch.where(seen[..., None], image_embeds[which].type_as(embeds), embeds),
            attention_mask=added_masks(module.config, attention_mask),
            position_ids=position_ids.permute(2, 0, 1),
            use_cache=False,
            output_hidden_states=True,
        )
        return tuple(take(out) for take in takes.values())

    plan = decoder_states(role, config, build=build, takes=takes)
    return replace(
        plan,
        forward=forward,
        inputs=(
            *plan.inputs,
            GraphInput("position_ids", _INT64, ("batch", "sequence", 3), below=_PLACES),
            GraphInput("image_embeds", _FP32, ("image_tokens", text_config(config)["hidden_size"])),
        ),
        traced={**plan.traced, "image_tokens": 5},
        checked={**plan.checked, "image_tokens": 4},
    )
