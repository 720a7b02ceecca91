"""Super-resolution by latent diffusion: its two graphs.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models".
"""

from __future__ import annotations

import torch
from diffusers import VQModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.families.stable_diffusion import rename_attention
from edgediff_exporters.modules.unet_2d import unet_2d
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_RGB = 3


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """U-Net, decoder of the VQ-VAE."""
    return unet_2d(source), _decoder(source.config("vqvae"))


def _decoder(config: Config) -> ComponentPlan:
    return ComponentPlan(
        role="vqvae_decoder",
        origin="vqvae",
        build=VQModel.from_config,
        forward=_decode,
        inputs=(GraphInput("latent_sample", torch.float32, ("batch", config["latent_channels"], "height", "width")),),
        outputs=("sample",),
        traced={"batch": 2, "height": 3, "width": 5},
        checked={"batch": 3, "height": 4, "width": 2},
        rename=rename_attention,
    )


def _decode(module: VQModel, latents: torch.Tensor) -> Outputs:
    """As the module does it, but for its distances, which have no operator: what is least is the same."""
    table = module.quantize.embedding
    codes = table(torch.arange(table.num_embeddings))  # called, because its weights are there only then
    entries = latents.permute(0, 2, 3, 1)
    # |z - e|^2 without |z|^2, which is the same for all codes e.
    distances = (codes * codes).sum(1) - 2 * entries @ codes.T
    nearest = table(distances.argmin(-1)).permute(0, 3, 1, 2)
    return (module.decoder(module.post_quant_conv(nearest), nearest if module.config.norm_type == "spatial" else None),)


def _check(source: Source) -> None:
    network, decoder = source.config("unet"), source.config("vqvae")
    latent, codes = (decoder.get(name) or _RGB for name in ("latent_channels", "vq_embed_dim"))
    takes, gives = network.get("in_channels", 3), network.get("out_channels", 3)
    if takes != 2 * latent or gives != latent or latent != _RGB:
        raise SourceError(
            f"the U-Net takes {takes} channels and gives {gives}, for {latent} of latents: expected {2 * _RGB} and "
            f"{_RGB}, for latents and the colours of the small picture"
        )
    if codes != latent:
        raise SourceError(f"the VQ-VAE's `vq_embed_dim` is {codes}: expected {latent}, the channels of its latents")
    for name in ("class_embed_type", "num_class_embeds"):
        if network.get(name) is not None:
            raise SourceError(f"the U-Net's `{name}` is {network[name]!r}: expected null, because there are no classes")


ADMITTED = Admitted(classes={"unet": ("UNet2DModel",), "vqvae": ("VQModel",)}, check=_check)
