"""An IP-Adapter's parts: CLIP's image encoder, what makes tokens of its answer, and weights for a U-Net's attention."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from diffusers.models.embeddings import ImageProjection
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.weights import Weights
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.ip_adapter import IMAGE_ENCODER, IP_ADAPTER

ENCODER_CLASS = CLIPVisionModelWithProjection.__name__
# What a U-Net takes, and what every cross-attention of it looks at.
SAMPLE, TEXT = "sample", "encoder_hidden_states"
_TOKENS = 4  # of each picture
_PROJECTION = {
    "image_proj.proj.weight": "projection.image_embeds.weight",
    "image_proj.proj.bias": "projection.image_embeds.bias",
    "image_proj.norm.weight": "projection.norm.weight",
    "image_proj.norm.bias": "projection.norm.bias",
}
_LAYER = re.compile(r"ip_adapter\.([0-9]{1,4})\.to_([kv])_ip\.weight")


@final
@dataclass(frozen=True, slots=True)
class AttentionWeights:
    """What a cross-attention looks at the pictures' tokens with: ``(channels, width of the text)`` each."""

    key: torch.Tensor
    value: torch.Tensor


def read_adapter(weights: Weights, *, name: str) -> tuple[Config, list[AttentionWeights]]:
    """What a file holds: the config of its projection, and the weights of each cross-attention in the file's order.

    Args:
        weights: The file, mapped.
        name: Its name.

    Raises:
        SourceError: It is no IP-Adapter, or one of another kind.
    """
    others = sorted(key for key in weights.tensors if key not in _PROJECTION and not _LAYER.fullmatch(key))
    missing = [key for key in _PROJECTION if key not in weights.tensors]
    layers = _layers(weights.tensors)
    if others or missing or not layers:
        raise SourceError(
            f"`{name}` holds {f'`{others[0]}`' if others else f'no `{missing[0]}`' if missing else 'no attention'}: "
            "expected an IP-Adapter with a linear projection (`image_proj.proj`, `image_proj.norm`) and weights "
            "`ip_adapter.1.to_k_ip` and so on",
            hint="adapters of the kinds Plus, Full Face and FaceID have other projections, which are not read yet",
        )
    projection = weights.tensors["image_proj.proj.weight"]
    width = projection.shape[0] // _TOKENS
    return {"image_embed_dim": projection.shape[-1], "cross_attention_dim": width}, layers


def _layers(tensors: Mapping[str, torch.Tensor]) -> list[AttentionWeights]:
    places = sorted({int(match[1]) for name in tensors if (match := _LAYER.fullmatch(name))})
    try:
        return [
            AttentionWeights(*(tensors[f"ip_adapter.{place}.to_{kind}_ip.weight"] for kind in "kv")) for place in places
        ]
    except KeyError:
        return []


def attention_channels(unet: Config) -> tuple[list[int], list[int], list[int]]:
    """Channels of every cross-attention of a U-Net: of its encoder, its middle and its decoder."""
    channels, blocks = unet["block_out_channels"], len(unet["block_out_channels"])
    layers, depths = (
        [value] * blocks if isinstance(value, int) else list(value)
        for value in (unet["layers_per_block"], unet.get("transformer_layers_per_block", 1))
    )
    down = [
        width
        for kind, width, count, depth in zip(unet["down_block_types"], channels, layers, depths, strict=True)
        if "CrossAttn" in kind
        for _ in range(count * depth)
    ]
    middle = [channels[-1]] * depths[-1] if "CrossAttn" in (unet.get("mid_block_type") or "") else []
    turned = (reversed(one) for one in (channels, layers, depths))
    up = [
        width
        for kind, width, count, depth in zip(unet["up_block_types"], *turned, strict=True)
        if "CrossAttn" in kind
        for _ in range((count + 1) * depth)
    ]
    return down, middle, up


def in_graph_order(layers: list[AttentionWeights], unet: Config, *, name: str) -> list[AttentionWeights]:
    """The weights as a U-Net computes its cross-attentions; a file has those of the middle last.

    Raises:
        SourceError: They are those of another U-Net.
    """
    down, middle, up = attention_channels(unet)
    width = unet["cross_attention_dim"]
    expected = [(channels, width) for channels in (*down, *up, *middle)]
    for kind in ("key", "value"):
        got = [tuple(getattr(layer, kind).shape) for layer in layers]
        if got != expected:
            wrong = next((pair for pair in zip(got, expected, strict=False) if pair[0] != pair[1]), None)
            what = f"{len(got)} of them, expected {len(expected)}" if wrong is None else f"{wrong[0]}, not {wrong[1]}"
            raise SourceError(f"`{name}` is made for another U-Net: its cross-attentions have {what}")
    ends = len(down), len(down) + len(up)
    return [*layers[: ends[0]], *layers[ends[1] :], *layers[ends[0] : ends[1]]]


@final
class _Projection(torch.nn.Module):
    """Tokens of pictures one behind the other, and those of as many zeros."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.projection = ImageProjection(
            config["image_embed_dim"], config["cross_attention_dim"], num_image_text_embeds=_TOKENS
        )
        self._width = config["cross_attention_dim"]

    def forward(self, image_embeds: torch.Tensor) -> Outputs:
        seen = (image_embeds, torch.zeros_like(image_embeds))
        return tuple(self.projection(one).reshape(1, -1, self._width) for one in seen)


def projection(config: Config) -> ComponentPlan:
    """The plan of what makes tokens of what CLIP sees."""
    return ComponentPlan(
        role=IP_ADAPTER,
        origin=IP_ADAPTER,
        build=_Projection,
        forward=lambda module, image_embeds: module(image_embeds),
        inputs=(GraphInput("image_embeds", torch.float32, ("pictures", config["image_embed_dim"])),),
        outputs=("tokens", "null_tokens"),
        traced={"pictures": 3},
        checked={"pictures": 2},
        rename=lambda name: _PROJECTION.get(name, name),
    )


def image_encoder(config: Config) -> ComponentPlan:
    """The plan of CLIP's image encoder, which gives one embedding of each picture."""
    side = config.get("image_size", 224)
    return ComponentPlan(
        role=IMAGE_ENCODER,
        origin=IMAGE_ENCODER,
        build=lambda config: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(config)),
        forward=lambda module, pixels: (module(pixel_values=pixels).image_embeds,),
        inputs=(GraphInput("pixel_values", torch.float32, ("pictures", 3, side, side)),),
        outputs=("image_embeds",),
        traced={"pictures": 2},
        checked={"pictures": 3},
    )
