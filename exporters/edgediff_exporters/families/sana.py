"""SANA and SANA-Sprint: their three graphs.

Xie et al. 2024, "SANA: Efficient High-Resolution Image Synthesis with Linear Diffusion Transformers"; Chen et al. 2025,
"SANA-Sprint: One-Step Diffusion with Continuous-Time Consistency Distillation".
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderDC, SanaTransformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.modules.language_models import (
    GEMMA_TOKENIZERS,
    LANGUAGE_MODEL_LEFTOVERS,
    decoder_states,
    gemma2,
)
from edgediff_exporters.sources.base import Source

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000
_LATEST = 1.57  # a quarter of a circle, on which the time of SANA-Sprint goes
_GUIDANCE = 0.5


def _check(source: Source) -> None:
    check_latents(source)
    text = source.config("text_encoder").get("hidden_size")
    check_text(source, "caption_channels", text, "`hidden_size` of its text")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("Gemma2Model", "Gemma2ForCausalLM"),
        "tokenizer": GEMMA_TOKENIZERS,
        "transformer": ("SanaTransformer2DModel",),
        "vae": ("AutoencoderDC",),
    },
    leftovers=LANGUAGE_MODEL_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, transformer, decoder."""
    return (
        decoder_states(
            "text_encoder",
            source.config("text_encoder"),
            build=gemma2,
            takes={"last_hidden_state": lambda out: out.last_hidden_state},
        ),
        _transformer(source.config("transformer")),
        _decoder(source.config("vae")),
    )


def _transformer(config: Config) -> ComponentPlan:
    inputs = [
        GraphInput("hidden_states", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["caption_channels"])),
        GraphInput("timestep", _FP32, ("batch",), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_attention_mask", torch.int64, ("batch", "sequence"), padding="right"),
    ]
    sprint = bool(config.get("guidance_embeds"))
    if sprint:
        inputs[2] = GraphInput("timestep", _FP32, ("batch",), scale=_LATEST, positive=True)
        inputs.append(GraphInput("guidance", _FP32, ("batch",), scale=_GUIDANCE, positive=True))
    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=SanaTransformer2DModel.from_config,
        forward=_sprint if sprint else _network,
        inputs=tuple(inputs),
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 5, "width": 7, "sequence": 9},
        checked={"batch": 3, "height": 6, "width": 4, "sequence": 12},
    )


def _network(
    module: torch.nn.Module,
    sample: torch.Tensor,
    text: torch.Tensor,
    timestep: torch.Tensor,
    mask: torch.Tensor,
    guidance: torch.Tensor | None = None,
) -> Outputs:
    out: Outputs = module(
        sample,
        encoder_hidden_states=text,
        timestep=timestep,
        guidance=guidance,
        encoder_attention_mask=mask,
        return_dict=False,
    )
    return out


def _sprint(
    module: torch.nn.Module,
    sample: torch.Tensor,
    text: torch.Tensor,
    timestep: torch.Tensor,
    mask: torch.Tensor,
    guidance: torch.Tensor,
) -> Outputs:
    """Between the circle that the sampler goes on and the line that the network was trained on (section 3.1)."""
    sine, cosine = timestep.sin(), timestep.cos()
    line = sine / (cosine + sine)
    wide = line[:, None, None, None].to(sample.dtype)
    length = (wide**2 + (1 - wide) ** 2).sqrt()
    scaled = sample * length
    (out,) = _network(module, scaled, text, line, mask, guidance)
    return (((1 - 2 * wide) * scaled + (1 - 2 * wide + 2 * wide**2) * out) / length,)


def _decoder(config: Config) -> ComponentPlan:
    return ComponentPlan(
        role="vae_decoder",
        origin="vae",
        build=AutoencoderDC.from_config,
        forward=lambda module, latent_sample: module.decode(latent_sample, return_dict=False),
        inputs=(GraphInput("latent_sample", _FP32, ("batch", config["latent_channels"], "height", "width")),),
        outputs=("sample",),
        traced={"batch": 2, "height": 3, "width": 5},
        checked={"batch": 3, "height": 4, "width": 2},
    )
