"""Stable Diffusion 3 and 3.5: their graphs, with the names that optimum gives them; T5 may be missing.

Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis".
"""

from __future__ import annotations

import torch
from diffusers import SD3Transformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Sines, called_by_name
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.families.stable_diffusion import (
    AUTOENCODERS,
    CHECKPOINT_LEFTOVERS,
    TOKENIZERS,
    vae_decoder,
    vae_encoder,
)
from edgediff_exporters.modules.text_encoders import T5_TOKENIZERS, clip_states, t5_encoder
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_TRAIN_TIMESTEPS = 1000
_CLIPS = ("text_encoder", "text_encoder_2")
_T5 = "text_encoder_3"


def _check(source: Source) -> None:
    check_latents(source, mask=1)
    clips = [source.config(name) for name in _CLIPS]
    pooled = sum(clip["projection_dim"] for clip in clips)
    check_text(source, "pooled_projection_dim", pooled, "`projection_dim` of its CLIPs together")
    if _has_t5(source):
        check_text(source, "joint_attention_dim", source.config(_T5).get("d_model"), "`d_model` of its T5")
    wide = source.config("transformer")["joint_attention_dim"]
    if (together := sum(clip["hidden_size"] for clip in clips)) > wide:
        raise SourceError(
            f"`hidden_size` of the CLIPs is {together} together: expected at most {wide}, the transformer's "
            "`joint_attention_dim`"
        )


def _has_t5(source: Source) -> bool:
    return source.find(f"{_T5}/config.json") is not None


ADMITTED = Admitted(
    classes={
        "text_encoder": ("CLIPTextModelWithProjection",),
        "text_encoder_2": ("CLIPTextModelWithProjection",),
        "text_encoder_3": ("T5EncoderModel",),
        "tokenizer": TOKENIZERS,
        "tokenizer_2": TOKENIZERS,
        "tokenizer_3": T5_TOKENIZERS,
        "transformer": ("SD3Transformer2DModel",),
        "vae": AUTOENCODERS,
    },
    optional=("text_encoder_3", "tokenizer_3"),
    leftovers=CHECKPOINT_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Both CLIPs, T5 where it is there, transformer, VAE decoder, VAE encoder."""
    vae = source.config("vae")
    return (
        *(clip_states(name, source.config(name), projected=True) for name in _CLIPS),
        *([t5_encoder(_T5, source.config(_T5), masked=False)] if _has_t5(source) else []),
        _transformer(source.config("transformer")),
        vae_decoder(vae),
        vae_encoder(vae),
    )


def _transformer(config: Config) -> ComponentPlan:
    patch = config["patch_size"]
    inputs = (
        GraphInput("hidden_states", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
        GraphInput("pooled_projections", _FP32, ("batch", config["pooled_projection_dim"])),
        GraphInput("timestep", _FP32, ("batch",), scale=_TRAIN_TIMESTEPS, positive=True),
    )

    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=SD3Transformer2DModel.from_config,
        forward=called_by_name(inputs),
        inputs=inputs,
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 3 * patch, "width": 5 * patch, "sequence": 7},
        checked={"batch": 3, "height": 6 * patch, "width": 4 * patch, "sequence": 5},
        sines=(Sines("time_text_embed.time_proj", ("timestep",)),),
    )
