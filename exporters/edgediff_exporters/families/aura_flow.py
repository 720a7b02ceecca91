"""AuraFlow: its three graphs.

fal.ai 2024, https://blog.fal.ai/auraflow.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import AuraFlowTransformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines, called_by_name
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.families.stable_diffusion import vae_decoder
from edgediff_exporters.modules.text_encoders import T5_TOKENIZERS, t5_encoder
from edgediff_exporters.sources.base import Source

_FP32 = torch.float32


def _check(source: Source) -> None:
    check_latents(source)
    check_text(source, "joint_attention_dim", source.config("text_encoder").get("d_model"), "`d_model` of its T5")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("UMT5EncoderModel", "T5EncoderModel"),
        "tokenizer": (*T5_TOKENIZERS, "LlamaTokenizer", "LlamaTokenizerFast"),
        "transformer": ("AuraFlowTransformer2DModel",),
        "vae": ("AutoencoderKL",),
    },
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """T5, transformer, VAE decoder."""
    return (
        _text_encoder(source.config("text_encoder")),
        _transformer(source.config("transformer")),
        vae_decoder(source.config("vae")),
    )


def _text_encoder(config: Config) -> ComponentPlan:
    encoder = t5_encoder("text_encoder", config, masked=True)

    def forward(module: torch.nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Outputs:
        (states,) = encoder.forward(module, input_ids, attention_mask)
        # The transformer has no mask: it was trained with zeros for padding.
        return (states * attention_mask[..., None],)

    return replace(encoder, forward=forward)


def _transformer(config: Config) -> ComponentPlan:
    patch = config["patch_size"]
    inputs = (
        GraphInput("hidden_states", _FP32, ("batch", config["in_channels"], "height", "width")),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
        GraphInput("timestep", _FP32, ("batch",), positive=True),
    )

    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=AuraFlowTransformer2DModel.from_config,
        forward=called_by_name(inputs),
        inputs=inputs,
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 3 * patch, "width": 5 * patch, "sequence": 7},
        checked={"batch": 3, "height": 6 * patch, "width": 4 * patch, "sequence": 9},
        sines=(Sines("time_step_embed", ("timestep",)),),
    )
