"""FLUX.2 klein: its four graphs.

Black Forest Labs 2026, https://github.com/black-forest-labs/flux2.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines, called_by_name
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.modules.language_models import (
    LANGUAGE_MODEL_LEFTOVERS,
    QWEN_TOKENIZERS,
    decoder_states,
    qwen3,
    states_after,
)
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_SIDE = 2  # latents of the VAE along one side of one of the transformer's
_PLACES = 64  # rows and columns to check with
_QUARTERS = 4  # states after one, two and three of them are the text


def _check(source: Source) -> None:
    check_latents(source, patch=_SIDE**2)
    width = source.config("text_encoder").get("hidden_size")
    wanted = width * (_QUARTERS - 1) if isinstance(width, int) else None
    check_text(source, "joint_attention_dim", wanted, "three times `hidden_size` of its text")
    if source.config("transformer").get("guidance_embeds"):
        raise SourceError("the transformer's `guidance_embeds` is set: expected none, as klein models have it")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("Qwen3ForCausalLM", "Qwen3Model"),
        "tokenizer": QWEN_TOKENIZERS,
        "transformer": ("Flux2Transformer2DModel",),
        "vae": ("AutoencoderKLFlux2",),
    },
    leftovers={**LANGUAGE_MODEL_LEFTOVERS, r"\.num_batches_tracked$": "a counter of training"},
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, transformer, VAE decoder, VAE encoder."""
    text = source.config("text_encoder")
    states = [text["num_hidden_layers"] * part // _QUARTERS for part in range(1, _QUARTERS)]
    return (
        decoder_states("text_encoder", text, build=qwen3, takes=states_after(states)),
        _transformer(source.config("transformer")),
        _decoder(source.config("vae")),
        _encoder(source.config("vae")),
    )


def _transformer(config: Config) -> ComponentPlan:
    axes = len(config["axes_dims_rope"])
    inputs = (
        GraphInput("hidden_states", _FP32, ("batch", "tokens", config["in_channels"])),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
        GraphInput("timestep", _FP32, ("batch",), positive=True),
        GraphInput("txt_ids", _FP32, ("sequence", axes), below=_PLACES),
        GraphInput("img_ids", _FP32, ("tokens", axes), below=_PLACES),
    )

    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=Flux2Transformer2DModel.from_config,
        forward=called_by_name(inputs),
        inputs=inputs,
        outputs=("out_hidden_states",),
        traced={"batch": 2, "tokens": 15, "sequence": 7},
        checked={"batch": 3, "tokens": 24, "sequence": 5},
        sines=(Sines("time_guidance_embed.time_proj", ("timestep",), factor=1000.0),),
    )


def _decoder(config: Config) -> ComponentPlan:
    channels = config["latent_channels"] * _SIDE**2

    def forward(module: AutoencoderKLFlux2, latents: torch.Tensor) -> Outputs:
        mean, deviation = _statistics(module, config)
        latents = latents * deviation + mean
        out: Outputs = module.decode(torch.nn.functional.pixel_shuffle(latents, _SIDE), return_dict=False)
        return out

    return ComponentPlan(
        role="vae_decoder",
        origin="vae",
        build=AutoencoderKLFlux2.from_config,
        forward=forward,
        inputs=(GraphInput("latent_sample", _FP32, ("batch", channels, "height", "width")),),
        outputs=("sample",),
        traced={"batch": 2, "height": 3, "width": 5},
        checked={"batch": 3, "height": 4, "width": 2},
    )


def _encoder(config: Config) -> ComponentPlan:
    """Latents as the transformer draws them: the mean of the distribution, four in one, and to unit variance."""
    factor = _SIDE * int(2 ** (len(config["block_out_channels"]) - 1))

    def forward(module: AutoencoderKLFlux2, sample: torch.Tensor) -> Outputs:
        mean, deviation = _statistics(module, config)
        latents = torch.nn.functional.pixel_unshuffle(module.encode(sample).latent_dist.mean, _SIDE)
        return ((latents - mean) / deviation,)

    return ComponentPlan(
        role="vae_encoder",
        origin="vae",
        build=AutoencoderKLFlux2.from_config,
        forward=forward,
        inputs=(GraphInput("sample", _FP32, ("batch", config["in_channels"], "height", "width")),),
        outputs=("latent_sample",),
        traced={"batch": 2, "height": 3 * factor, "width": 5 * factor},
        checked={"batch": 3, "height": 4 * factor, "width": 2 * factor},
    )


def _statistics(module: AutoencoderKLFlux2, config: Config) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of the latents, which the autoencoder has of its training."""
    mean, variance = (values.reshape(1, -1, 1, 1) for values in (module.bn.running_mean, module.bn.running_var))
    return mean, (variance + config["batch_norm_eps"]).sqrt()
