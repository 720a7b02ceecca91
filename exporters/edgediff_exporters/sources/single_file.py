"""One ``.safetensors`` checkpoint in the original Stable Diffusion 1.x layout as a source.

Such a file holds weights and nothing else: no configs and no tokenizer. Those come from a directory in diffusers'
layout (``config``). The tensors are renamed by diffusers' own single-file conversion, on views of the mapped file.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)

from edgediff_exporters.sources.base import Source
from edgediff_exporters.sources.directory import open_directory
from edgediff_exporters.weights import Weights, map_weights
from edgediff_runtimes.errors import SourceError

_UNET = "model.diffusion_model."
_TEXT = "cond_stage_model.transformer."
_VAE = "first_stage_model."


def open_checkpoint(path: Path, configs: Path) -> Source:
    """Open a checkpoint.

    Args:
        path: The file.
        configs: A directory in diffusers' layout of the same architecture. Its weights are not read.

    Raises:
        SourceError: The file is damaged or of another layout.
    """
    names = map_weights([path]).tensors
    for prefix, part in ((_UNET, "U-Net"), (_TEXT, "CLIP text encoder"), (_VAE, "VAE")):
        if not any(name.startswith(prefix) for name in names):
            raise SourceError(
                f"`{path.name}` has no {part} of the Stable Diffusion 1.x layout: expected tensors `{prefix}...`",
                hint="load it with diffusers' `from_single_file`, and export what `save_pretrained` writes",
            )

    described = open_directory(configs, name=path.name)

    def converted(origin: str) -> Weights:
        weights = map_weights([path])
        tensors = dict(weights.tensors)
        config = described.config(origin)
        if origin == "unet":
            tensors = convert_ldm_unet_checkpoint(tensors, config)
        elif origin == "vae":
            tensors = convert_ldm_vae_checkpoint(tensors, config)
        else:
            tensors = convert_ldm_clip_checkpoint(tensors)
        return Weights(tensors, weights.maps)

    return replace(described, weights=converted, files=(path,))
