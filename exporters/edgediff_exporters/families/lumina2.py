"""Lumina Image 2.0: its three graphs.

Qin et al. 2025, "Lumina-Image 2.0: A Unified and Efficient Image Generative Framework".
"""

from __future__ import annotations

from typing import final

import torch
from diffusers import Lumina2Transformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.families.stable_diffusion import vae_decoder
from edgediff_exporters.modules.language_models import (
    GEMMA_TOKENIZERS,
    LANGUAGE_MODEL_LEFTOVERS,
    decoder_states,
    gemma2,
    states_after,
)
from edgediff_exporters.modules.patching import patches_of, places_of, sample_of
from edgediff_exporters.modules.rotary import RotaryTables, with_rotary_attention
from edgediff_exporters.sources.base import Source

_FP32 = torch.float32
_THETA = 10_000.0


@final
class _Transformer(Lumina2Transformer2DModel):  # type: ignore[misc] # diffusers' base has no types
    """The same, for a batch at once and not text by text: texts stand behind pictures, and their padding is masked."""

    tables: RotaryTables

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> Outputs:
        side, batch = self.config.patch_size, sample.shape[0]
        time, text = self.time_caption_embed(sample, timestep, text)
        picture = self.x_embedder(patches_of(sample, side))
        count = picture.shape[1]
        places = places_of(sample, side)
        behind = mask.sum(1, keepdim=True).expand(batch, count)  # a picture's places are counted behind its text's
        picture_turns = self.tables(torch.cat([behind[..., None], places.expand(batch, -1, -1)], -1))
        slots = torch.arange(text.shape[1]).expand(batch, -1) * mask
        text_turns = self.tables(torch.stack([slots, torch.zeros_like(slots), torch.zeros_like(slots)], -1))
        for layer in self.context_refiner:
            text = layer(text, mask, text_turns)
        for layer in self.noise_refiner:
            picture = layer(picture, None, picture_turns, time)
        both, both_turns = torch.cat([picture, text], 1), torch.cat([picture_turns, text_turns], 1)
        seen = torch.cat([mask.new_ones(batch, count), mask], 1)
        for layer in self.layers:
            both = layer(both, seen, both_turns, time)
        return (sample_of(self.norm_out(both, time)[:, :count], sample, side),)


def _check(source: Source) -> None:
    check_latents(source, patch=1)
    check_text(source, "cap_feat_dim", source.config("text_encoder").get("hidden_size"), "`hidden_size` of its text")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("Gemma2Model", "Gemma2ForCausalLM"),
        "tokenizer": GEMMA_TOKENIZERS,
        "transformer": ("Lumina2Transformer2DModel",),
        "vae": ("AutoencoderKL",),
    },
    leftovers=LANGUAGE_MODEL_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, transformer, VAE decoder."""
    text = source.config("text_encoder")
    state = text["num_hidden_layers"] - 1  # the last layer but one: states are counted from the embeddings on
    return (
        decoder_states("text_encoder", text, build=gemma2, takes=states_after([state])),
        _transformer(source.config("transformer")),
        vae_decoder(source.config("vae")),
    )


def _build(config: Config) -> torch.nn.Module:
    module: _Transformer = _Transformer.from_config(config)
    with_rotary_attention(module)
    module.tables = RotaryTables(
        module.config.axes_dim_rope, [torch.arange(length) for length in module.config.axes_lens], _THETA
    )
    return module


def _transformer(config: Config) -> ComponentPlan:
    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=_build,
        forward=lambda module, *tensors: module(*tensors),
        inputs=(
            GraphInput("hidden_states", _FP32, ("batch", config["in_channels"], "height", "width")),
            GraphInput("timestep", _FP32, ("batch",), positive=True),
            GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["cap_feat_dim"])),
            GraphInput("encoder_attention_mask", torch.int64, ("batch", "sequence"), padding="right"),
        ),
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 6, "width": 10, "sequence": 7},
        checked={"batch": 3, "height": 16, "width": 8, "sequence": 20},
        sines=(Sines("time_caption_embed.time_proj", ("timestep",)),),
    )
