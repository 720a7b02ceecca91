"""One ``.safetensors`` checkpoint in the original Stable Diffusion 1.x or 2.x layout as a source.

Such a file holds weights and nothing else: no configs and no tokenizer. Those come from a directory in diffusers'
layout: one that the user names, or one of ours (``layouts``) where the tensors tell which model it is. U-Net and VAE
are renamed by diffusers' own single-file conversion, on views of the mapped file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)

from edgediff_exporters.leftovers import find_addition
from edgediff_exporters.safetensors_file import read_metadata
from edgediff_exporters.sources.base import Source
from edgediff_exporters.sources.directory import open_directory
from edgediff_exporters.sources.files import refusing_oddities
from edgediff_exporters.sources.layouts import LAYOUTS, recognise, write_clip_vocabulary
from edgediff_exporters.sources.open_clip import PREFIX, convert_open_clip
from edgediff_exporters.weights import Weights, map_weights
from edgediff_runtimes.errors import SourceError, shown

_PREFIXES = {
    "unet": ("model.diffusion_model.",),
    "text_encoder": ("cond_stage_model.transformer.", PREFIX),
    "vae": ("first_stage_model.",),
}
_WHAT = {"unet": "U-Net", "text_encoder": "CLIP text encoder", "vae": "VAE"}


def open_checkpoint(path: Path, configs: Path | None, *, given: Collection[str] = ()) -> Source:
    """Open a checkpoint.

    Args:
        path: The file.
        configs: A directory in diffusers' layout of the same architecture, whose weights are not read; None to find out
            from the checkpoint's tensors.
        given: Components that come from elsewhere, and may be missing here.

    Raises:
        SourceError: The file is damaged or of another layout, or does not tell which model it is.
    """
    tensors = map_weights([path]).tensors
    addition = find_addition(tensors)
    there = [origin for origin, prefixes in _PREFIXES.items() if any(name.startswith(prefixes) for name in tensors)]
    for origin, prefixes in _PREFIXES.items():
        if origin not in there and origin not in given:
            if addition is not None:
                raise SourceError(
                    f"`{path.name}` holds {addition.what} (`{shown(addition.name)}`) and no {_WHAT[origin]} of the "
                    "Stable Diffusion 1.x or 2.x layout: expected a whole model",
                    hint=addition.hint,
                )
            raise SourceError(
                f"`{path.name}` has no {_WHAT[origin]} of the Stable Diffusion 1.x or 2.x layout: expected tensors "
                f"`{prefixes[0]}...`",
                hint="load it with diffusers' `from_single_file`, and export what `save_pretrained` writes",
            )
    folder = configs or recognise(tensors, read_metadata(path), name=path.name)
    described = open_directory(folder)

    def converted(origin: str) -> Weights:
        weights = map_weights([path])
        return Weights(_convert(weights.tensors, origin, described), weights.maps)

    read = {tensor.data_ptr() for origin in there for tensor in _convert(tensors, origin, described).values()}
    return replace(
        described,
        name=path.name,
        own_weights=converted,
        files=(path,),
        unread=tuple(name for name, tensor in tensors.items() if tensor.data_ptr() not in read),
        write_vocabulary=write_clip_vocabulary if folder.is_relative_to(LAYOUTS) else None,
    )


def _convert(tensors: Mapping[str, torch.Tensor], origin: str, described: Source) -> Mapping[str, torch.Tensor]:
    """The tensors of one component by diffusers' names, as views."""
    converted: Mapping[str, torch.Tensor]
    part = {name: tensor for name, tensor in tensors.items() if name.startswith(_PREFIXES[origin])}
    config = described.config(origin)
    with refusing_oddities(f"`{origin}/config.json` of `{described.name}`, with these tensors,"):
        if origin == "unet":
            converted = convert_ldm_unet_checkpoint(part, config)
        elif origin == "vae":
            converted = convert_ldm_vae_checkpoint(part, config)
        elif any(name.startswith(PREFIX) for name in part):
            converted = convert_open_clip(part, layers=config["num_hidden_layers"])
        else:
            converted = convert_ldm_clip_checkpoint(part)
    return converted
