"""OpenCLIP's text encoder, as Stable Diffusion 2.x checkpoints hold it, in the names of transformers' CLIP.

diffusers' own conversion copies every attention's matrix; here all are views of the mapped file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

PREFIX = "cond_stage_model.model."
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


def convert_open_clip(tensors: Mapping[str, torch.Tensor], *, layers: int) -> dict[str, torch.Tensor]:
    """The text encoder's tensors by transformers' names, without the ``text_model.`` before them.

    Args:
        tensors: The checkpoint's.
        layers: How many layers are read; Stable Diffusion 2.x leaves out OpenCLIP's last.
    """
    converted: dict[str, torch.Tensor] = {}
    for full, tensor in tensors.items():
        name = full.removeprefix(PREFIX)
        if name == full:
            continue
        if name in _ENDS:
            converted[_ENDS[name]] = tensor
        elif (match := _LAYER.fullmatch(name)) and int(match[1]) < layers:
            layer, part = f"encoder.layers.{match[1]}", match[2]
            stem, _, leaf = part.rpartition(".")
            if part in _QKV:
                for letter, third in zip("qkv", tensor.chunk(3), strict=True):
                    converted[f"{layer}.self_attn.{letter}_proj.{_QKV[part]}"] = third
            elif stem in _PARTS:
                converted[f"{layer}.{_PARTS[stem]}.{leaf}"] = tensor
    return converted
