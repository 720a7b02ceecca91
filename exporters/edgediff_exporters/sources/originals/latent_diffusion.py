"""The parts of latent diffusion models as their first authors' code names them: U-Net, VAE, and CLIP beside them.

U-Net and VAE are renamed by diffusers' own single-file conversion, on views of the mapped file.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

from edgediff_exporters.sources.originals.base import UNET, Config, Original, Tensors, unchanged
from edgediff_exporters.sources.originals.open_clip import convert_open_clip


def _convert_unet(tensors: Tensors, config: Config) -> Tensors:
    converted: Tensors = convert_ldm_unet_checkpoint(
        {f"{UNET}{name}": tensor for name, tensor in tensors.items()}, config
    )
    return converted


def convert_vae(tensors: Tensors, config: Config) -> Tensors:
    """A VAE's tensors by diffusers' names."""
    converted: Tensors = convert_ldm_vae_checkpoint(dict(tensors), config)
    return converted


LDM_UNET = (Original(UNET, r"input_blocks\.0\.0\.weight", _convert_unet, drops=True),)
# The second: as other programs write it.
LDM_VAE = tuple(
    Original(prefix, r"decoder\.conv_in\.weight", convert_vae, drops=True) for prefix in ("first_stage_model.", "vae.")
)


def clip(prefix: str, convert: Callable[[Tensors, Config], Tensors] = unchanged) -> Original:
    """A CLIP by transformers' names."""
    return Original(prefix, r"(text_model\.)?embeddings\.token_embedding\.weight", convert)


def with_projection(tensors: Tensors, config: Config) -> Tensors:
    """The first CLIP of Stable Diffusion 3, whose pooled vector is not projected.

    Published files hold no projection; the configs ask for one, which is the identity, as in diffusers'
    ``create_diffusers_clip_model_from_ldm``.
    """
    if "CLIPTextModelWithProjection" not in config.get("architectures", ()):
        return tensors
    return {"text_projection.weight": torch.eye(config["hidden_size"]), **tensors}


def open_clip(prefix: str) -> Original:
    """A CLIP by OpenCLIP's names."""
    return Original(prefix, r"token_embedding\.weight", convert_open_clip, drops=True)
