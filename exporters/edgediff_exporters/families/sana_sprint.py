"""SANA-Sprint: SANA's graphs with another transformer, and an encoder of pictures.

Chen et al. 2025, "SANA-Sprint: One-Step Diffusion with Continuous-Time Consistency Distillation".
"""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel

from edgediff_exporters.families import sana
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.recipe.recipe import RGB_CHANNELS

_FP32 = torch.float32
_LATEST = 1.57  # a quarter of a circle, on which the sampler goes
_GUIDANCE = 0.5


def _check(source: Source) -> None:
    sana.check_parts(source)
    if not source.config("transformer").get("guidance_embeds"):
        raise SourceError("the transformer has no `guidance_embeds`: expected them, as SANA-Sprint's has them")


ADMITTED = replace(sana.ADMITTED, check=_check)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, transformer, decoder, encoder."""
    vae = source.config("vae")
    return (
        sana.text_encoder(source.config("text_encoder")),
        _transformer(source.config("transformer")),
        sana.decoder(vae),
        _encoder(vae),
    )


def _transformer(config: Config) -> ComponentPlan:
    """Time and output are the sampler's, and named otherwise than where a runtime converts them."""
    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=SanaTransformer2DModel.from_config,
        forward=_velocity,
        inputs=(
            GraphInput("hidden_states", _FP32, ("batch", config["in_channels"], "height", "width"), exact=True),
            GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["caption_channels"])),
            GraphInput("trigflow_timestep", _FP32, ("batch",), scale=_LATEST, positive=True),
            GraphInput("encoder_attention_mask", torch.int64, ("batch", "sequence"), padding="right"),
            GraphInput("guidance", _FP32, ("batch",), scale=_GUIDANCE, positive=True),
        ),
        outputs=("velocity",),
        traced={"batch": 2, "height": 5, "width": 7, "sequence": 9},
        checked={"batch": 3, "height": 6, "width": 4, "sequence": 12},
    )


def _velocity(
    module: torch.nn.Module,
    sample: torch.Tensor,
    text: torch.Tensor,
    angle: torch.Tensor,
    mask: torch.Tensor,
    guidance: torch.Tensor,
) -> Outputs:
    """From the circle that the sampler goes on to the line that the network was trained on, and back (section 3.1).

    In float32 whatever the network computes in, as in diffusers.
    """
    sine, cosine = angle.sin(), angle.cos()
    time = sine / (cosine + sine)
    wide = time[:, None, None, None]
    length = (wide**2 + (1 - wide) ** 2).sqrt()
    scaled = sample * length
    (flow,) = module(
        scaled.to(text.dtype),
        encoder_hidden_states=text,
        timestep=time,
        guidance=guidance,
        encoder_attention_mask=mask,
        return_dict=False,
    )
    return (((1 - 2 * wide) * scaled + (1 - 2 * wide + 2 * wide**2) * flow) / length,)


def _encoder(config: Config) -> ComponentPlan:
    factor = 2 ** (len(config["encoder_block_out_channels"]) - 1)
    traced, checked = (
        {axis: size if axis == "batch" else size * factor for axis, size in sizes.items()}
        for sizes in sana.latent_sizes(config)
    )
    return ComponentPlan(
        role="vae_encoder",
        origin="vae",
        build=AutoencoderDC.from_config,
        forward=lambda module, sample: module.encode(sample, return_dict=False),
        inputs=(GraphInput("sample", _FP32, ("batch", RGB_CHANNELS, "height", "width")),),
        outputs=("latent_sample",),
        traced=traced,
        checked=checked,
    )
