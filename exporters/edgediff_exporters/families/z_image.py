"""Z-Image and Z-Image-Turbo: their four graphs.

Z-Image Team 2025, "Z-Image: An Efficient Image Generation Foundation Model with Single-Stream Diffusion Transformer".
"""

from __future__ import annotations

from typing import final

import torch
from diffusers import ZImageTransformer2DModel

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.families.fitting import check_latents, check_text
from edgediff_exporters.families.stable_diffusion import vae_decoder, vae_encoder
from edgediff_exporters.modules.language_models import (
    LANGUAGE_MODEL_LEFTOVERS,
    QWEN_TOKENIZERS,
    decoder_states,
    qwen3,
    states_after,
)
from edgediff_exporters.modules.patching import patches_of, places_of, sample_of
from edgediff_exporters.modules.rotary import RotaryTables, with_rotary_attention
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_PATCH = 2
_MULTIPLE = 32  # tokens of a text, and of a picture, are filled up to a multiple of it
_KIND = f"{_PATCH}-1"  # of the layers at both ends: patches of one frame


@final
class _Transformer(ZImageTransformer2DModel):  # type: ignore[misc] # diffusers' base has no types
    """The same, computed for a batch at once and not for a list of pictures and texts of any lengths."""

    tables: RotaryTables

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> Outputs:
        batch, length = mask.shape
        time = self.t_embedder(timestep * self.t_scale).type_as(sample)
        # Room for the most tokens that can be needed to fill up to a multiple; those that are not needed are masked.
        picture = self.all_x_embedder[_KIND](patches_of(sample, _PATCH))
        count, lengths = picture.shape[1], mask.sum(1, keepdim=True)
        picture = torch.cat([picture, self.x_pad_token.expand(batch, _MULTIPLE - 1, -1)], 1)
        text = torch.cat([self.cap_embedder(text), self.cap_pad_token.expand(batch, _MULTIPLE - 1, -1)], 1)
        slots = torch.arange(length + _MULTIPLE - 1)
        text = torch.where((slots < lengths)[..., None], text, self.cap_pad_token)
        filled = _filled(lengths)
        seen_text = slots < filled
        size = torch.arange(1, count + 1)[-1:]
        needed = torch.arange(1, _MULTIPLE) <= _filled(size) - size
        seen = torch.cat([torch.ones(count, dtype=torch.bool), needed]).expand(batch, -1)
        # A picture's places are counted behind those of its text; what only fills it up is at none.
        places = torch.cat(
            [(filled + 1)[..., None].expand(batch, count, 1), _expand(places_of(sample, _PATCH), batch)], -1
        )
        places = torch.cat([places, places.new_zeros(batch, _MULTIPLE - 1, 3)], 1)
        text_places = torch.stack([slots + 1, torch.zeros_like(slots), torch.zeros_like(slots)], -1)
        picture_turns, text_turns = self.tables(places), self.tables(_expand(text_places, batch))
        for layer in self.noise_refiner:
            picture = layer(picture, seen, picture_turns, time)
        for layer in self.context_refiner:
            text = layer(text, seen_text, text_turns)
        both, both_turns = torch.cat([picture, text], 1), torch.cat([picture_turns, text_turns], 1)
        for layer in self.layers:
            both = layer(both, torch.cat([seen, seen_text], 1), both_turns, time)
        return (sample_of(self.all_final_layer[_KIND](both, c=time)[:, :count], sample, _PATCH),)


def _filled(count: torch.Tensor) -> torch.Tensor:
    return (count + _MULTIPLE - 1) // _MULTIPLE * _MULTIPLE


def _expand(places: torch.Tensor, batch: int) -> torch.Tensor:
    return places.expand(batch, -1, -1)


def _check(source: Source) -> None:
    check_latents(source, patch=1)
    check_text(source, "cap_feat_dim", source.config("text_encoder").get("hidden_size"), "`hidden_size` of its text")
    if (sides := source.config("transformer").get("all_patch_size")) not in ([_PATCH], (_PATCH,)):
        raise SourceError(f"the transformer's `all_patch_size` is {sides}: expected [{_PATCH}]")


ADMITTED = Admitted(
    classes={
        "text_encoder": ("Qwen3Model", "Qwen3ForCausalLM"),
        "tokenizer": QWEN_TOKENIZERS,
        "transformer": ("ZImageTransformer2DModel",),
        "vae": ("AutoencoderKL",),
    },
    leftovers=LANGUAGE_MODEL_LEFTOVERS,
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, transformer, VAE decoder, VAE encoder."""
    vae, text = source.config("vae"), source.config("text_encoder")
    state = text["num_hidden_layers"] - 1  # the last layer but one: states are counted from the embeddings on
    return (
        decoder_states("text_encoder", text, build=qwen3, takes=states_after([state])),
        _transformer(source.config("transformer")),
        vae_decoder(vae),
        vae_encoder(vae),
    )


def _build(config: Config) -> torch.nn.Module:
    module: _Transformer = _Transformer.from_config(config)
    with_rotary_attention(module)
    module.tables = RotaryTables(
        module.axes_dims, [torch.arange(length) for length in module.axes_lens], module.rope_theta
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
        traced={"batch": 2, "height": 6, "width": 10, "sequence": 37},
        checked={"batch": 3, "height": 16, "width": 8, "sequence": 70},
    )
