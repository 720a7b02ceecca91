"""OpenCLIP's text encoder, as checkpoints of Stable Diffusion 2.x and XL hold it, in the names of transformers' CLIP.

diffusers' own conversion copies every attention's matrix; here all are views of the mapped file.
"""

from __future__ import annotations

import re

import torch

from edgediff_exporters.sources.originals.base import Config, Tensors

_ENDS = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
_LAYER = re.compile(r"transformer\.resblocks\.(\d+)\.(.+)")
_PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_QKV = {"attn.in_proj_weight": "weight", "attn.in_proj_bias": "bias"}


def convert_open_clip(tensors: Tensors, config: Config) -> dict[str, torch.Tensor]:
    """The text encoder's tensors by transformers' names, with ``text_model.`` before them where it has a projection.

    Args:
        tensors: The text encoder's, by OpenCLIP's names.
        config: How many layers are read (Stable Diffusion 2.x leaves out OpenCLIP's last), and whether the projection.
    """
    converted: dict[str, torch.Tensor] = {}
    projected = "CLIPTextModelWithProjection" in config.get("architectures", ())
    before = "text_model." if projected else ""
    for name, tensor in tensors.items():
        if name in _ENDS:
            converted[before + _ENDS[name]] = tensor
        elif name == "text_projection" and projected:
            converted["text_projection.weight"] = tensor.T
        elif (match := _LAYER.fullmatch(name)) and int(match[1]) < config["num_hidden_layers"]:
            layer, part = f"{before}encoder.layers.{match[1]}", match[2]
            stem, _, leaf = part.rpartition(".")
            if part in _QKV:
                for letter, third in zip("qkv", tensor.chunk(3), strict=True):
                    converted[f"{layer}.self_attn.{letter}_proj.{_QKV[part]}"] = third
            elif stem in _PARTS:
                converted[f"{layer}.{_PARTS[stem]}.{leaf}"] = tensor
    return converted
