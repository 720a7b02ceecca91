"""PixArt-α and PixArt-Σ: their three graphs.

Chen et al. 2023, "PixArt-α: Fast Training of Diffusion Transformer for Photorealistic Text-to-Image Synthesis"; Chen
et al. 2024, "PixArt-Σ: Weak-to-Strong Training of Diffusion Transformer for 4K Text-to-Image Generation".
"""

from __future__ import annotations

import torch
from diffusers import PixArtTransformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.families.stable_diffusion import vae_decoder
from edgediff_exporters.modules.text_encoders import T5_TOKENIZERS, t5_encoder
from edgediff_exporters.sources.base import Source

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000
_PIXELS = 1024.0  # what sizes are about
_TOLD_FROM = 128  # entries of the latents along one side of the models that are told the size


def _check(source: Source) -> None:
    check_latents(source, learned=True)
    check_text(source, "caption_channels", source.config("text_encoder").get("d_model"), "`d_model` of its T5")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("T5EncoderModel",),
        "tokenizer": T5_TOKENIZERS,
        # The first published ones were written before the transformer had a class of its own.
        "transformer": ("PixArtTransformer2DModel", "Transformer2DModel"),
        "vae": ("AutoencoderKL",),
    },
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """T5, transformer, VAE decoder."""
    return (
        t5_encoder("text_encoder", source.config("text_encoder"), masked=True),
        _transformer(source.config("transformer")),
        vae_decoder(source.config("vae")),
    )


def _transformer(config: Config) -> ComponentPlan:
    patch, channels = config["patch_size"], config["in_channels"]
    inputs = [
        GraphInput("hidden_states", _FP32, ("batch", channels, "height", "width")),
        GraphInput("timestep", _FP32, ("batch",), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["caption_channels"])),
        GraphInput("encoder_attention_mask", torch.int64, ("batch", "sequence"), padding="right"),
    ]
    told = config.get("use_additional_conditions")
    if told or (told is None and config["sample_size"] == _TOLD_FROM):  # as the module takes it
        inputs.append(GraphInput("resolution", _FP32, ("batch", 2), scale=_PIXELS, positive=True, exact=True))

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        hidden, timestep, text, mask, *sizes = tensors
        told = {"resolution": sizes[0], "aspect_ratio": sizes[0][:, :1] / sizes[0][:, 1:]} if sizes else {}
        (out,) = module(
            hidden,
            timestep=timestep,
            encoder_hidden_states=text,
            encoder_attention_mask=mask,
            added_cond_kwargs=told or {"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )
        return (out[:, :channels],)

    # Sizes unlike the config's: at that one the module takes a table that is fixed in the graph.
    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=PixArtTransformer2DModel.from_config,
        forward=forward,
        inputs=tuple(inputs),
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 3 * patch, "width": 5 * patch, "sequence": 7},
        checked={"batch": 3, "height": 6 * patch, "width": 4 * patch, "sequence": 9},
        # The sizes stay inside, where an aspect ratio is made of them.
        sines=(Sines("adaln_single.emb.time_proj", ("timestep",)),),
    )
