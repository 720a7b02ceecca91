"""Qwen-Image: its four graphs.

Qwen Team 2025, "Qwen-Image Technical Report".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from diffusers.models.attention_processor import Attention

from edgediff_exporters.families.admitted import Admitted
from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.families.fitting import check_text
from edgediff_exporters.modules.language_models import (
    LANGUAGE_MODEL_LEFTOVERS,
    QWEN_TOKENIZERS,
    decoder_states,
    qwen2_vl_text,
    states_after,
    text_config,
)
from edgediff_exporters.modules.patching import grid
from edgediff_exporters.modules.rotary import RotaryTables, turned
from edgediff_exporters.sources.base import Source
from edgediff_runtimes.errors import SourceError

_FP32 = torch.float32
_PATCH = 2
_RGB = 3
_THETA = 10_000.0
_PLACES = 4096


class PlacedTransformer(QwenImageTransformer2DModel):  # type: ignore[misc] # diffusers' base has no types
    """The same, told where tokens are."""

    tables: RotaryTables  # of places from -_PLACES on

    def answer(
        self,
        tokens: torch.Tensor,
        places: torch.Tensor,
        timestep: torch.Tensor,
        text: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """The tokens of the answer.

        Args:
            tokens: Latents in patches, ``(batch, tokens, channels)``.
            places: Picture, row and column of each, ``(tokens, 3)``, int64; of the first picture the prediction is
                wanted, others stand beside it.
            timestep: ``(batch,)``, in [0, 1].
            text: ``(batch, sequence, width)``.
            mask: ``(batch, sequence)``: 1 for text, 0 for padding.
        """
        picture, text = self.img_in(tokens), self.txt_in(self.txt_norm(text))
        beside = None
        if self.zero_cond_t:  # to what stands beside it is always the end of the way
            timestep = torch.cat([timestep, torch.zeros_like(timestep)])
            beside = (places[:, 0] > 0).long()[None].expand(tokens.shape[0], -1)
        time = self.time_text_embed(timestep, picture)
        # Texts begin behind the longest half of a picture.
        behind = torch.arange(1, text.shape[1] + 1) + places[:, 1:].max()
        both = self.tables(places + _PLACES), self.tables(behind[:, None].expand(-1, 3) + _PLACES)
        for block in self.transformer_blocks:
            text, picture = block(picture, text, mask.bool(), time, both, modulate_index=beside)
        answer: torch.Tensor = self.proj_out(self.norm_out(picture, time[: tokens.shape[0]]))
        return answer


@final
class _Transformer(PlacedTransformer):
    """The same, of latents that are not packed, so that it sees their height and width."""

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor, mask: torch.Tensor) -> Outputs:
        rows, columns = sample.shape[2] // _PATCH, sample.shape[3] // _PATCH
        tokens = torch.nn.functional.pixel_unshuffle(sample, _PATCH).flatten(2).transpose(1, 2)
        # Places are counted from the picture's middle.
        places = grid(torch.arange(rows // 2 - rows, rows // 2), torch.arange(columns // 2 - columns, columns // 2))
        places = torch.nn.functional.pad(places, (1, 0))
        answer = self.answer(tokens, places, timestep, text, mask).transpose(1, 2)
        squares = answer.reshape(sample.shape[0], -1, rows, columns)
        return (torch.nn.functional.pixel_shuffle(squares, _PATCH),)


@final
class _Attention:
    """Attention of texts and pictures among each other, with rotary positions in real numbers."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_mask: torch.Tensor,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None = None,  # noqa: ARG002 - of no use: texts have their own
    ) -> Outputs:
        size, length = attn.inner_dim // attn.heads, encoder_hidden_states.shape[1]
        picture = [layer(hidden_states) for layer in (attn.to_q, attn.to_k, attn.to_v)]
        text = [layer(encoder_hidden_states) for layer in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)]
        picture, text = ([heads.unflatten(-1, (-1, size)) for heads in stream] for stream in (picture, text))
        of_picture, of_text = image_rotary_emb
        query = torch.cat([turned(attn.norm_added_q(text[0]), of_text), turned(attn.norm_q(picture[0]), of_picture)], 1)
        key = torch.cat([turned(attn.norm_added_k(text[1]), of_text), turned(attn.norm_k(picture[1]), of_picture)], 1)
        value = torch.cat([text[2], picture[2]], 1)
        mask = torch.nn.functional.pad(encoder_hidden_states_mask, (0, hidden_states.shape[1]), value=True)
        seen = torch.nn.functional.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask[:, None, None]
        )
        seen = seen.transpose(1, 2).flatten(2)
        return attn.to_out[0](seen[:, length:]), attn.to_add_out(seen[:, :length])


def _first_half(_: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    return (inputs[0][: inputs[0].shape[0] // 2],)


def build_transformer(kind: type[PlacedTransformer], config: Config) -> torch.nn.Module:
    """A transformer of some face, with its tables."""
    module: PlacedTransformer = kind.from_config(config)
    for block in module.transformer_blocks:
        block.attn.set_processor(_Attention())
        if block.zero_cond_t:  # of two times texts have the first; a graph cannot cut rows as diffusers does
            block.zero_cond_t = False
            block.txt_mod.register_forward_pre_hook(_first_half)
    dims = module.config.axes_dims_rope
    module.tables = RotaryTables(dims, [torch.arange(-_PLACES, _PLACES)] * len(dims), _THETA, dtype=_FP32)
    return module


def _build(config: Config) -> torch.nn.Module:
    return build_transformer(_Transformer, config)


# Of every edition: what the components are, and fields of other transformers.
CLASSES = {
    "text_encoder": ("Qwen2_5_VLForConditionalGeneration",),
    "tokenizer": QWEN_TOKENIZERS,
    "transformer": ("QwenImageTransformer2DModel",),
    "vae": ("AutoencoderKLQwenImage",),
}
OTHERS = ("use_additional_t_cond", "use_layer3d_rope", "guidance_embeds")


def _check(source: Source) -> None:
    check_fitting(source)
    refuse_set(source, ("zero_cond_t", *OTHERS), "as those of models that edit have it")


def check_fitting(source: Source) -> None:
    """Whether transformer, VAE and text encoder fit each other.

    Raises:
        SourceError: They do not.
    """
    transformer, vae = source.config("transformer"), source.config("vae")
    text = text_config(source.config("text_encoder")).get("hidden_size")
    check_text(source, "joint_attention_dim", text, "`hidden_size` of its text")
    latent = vae.get("z_dim", 0)
    takes, gives = transformer.get("in_channels"), transformer.get("out_channels")
    if (takes, gives) != (latent * _PATCH**2, latent):
        raise SourceError(
            f"the transformer takes {takes} channels and gives {gives}: expected {latent * _PATCH**2} and {latent}, as "
            "its VAE's latents have them"
        )
    if (colours := vae.get("input_channels", _RGB)) != _RGB:
        raise SourceError(f"the VAE's `input_channels` is {colours}: expected {_RGB}, for red, green and blue")


def refuse_set(source: Source, names: Sequence[str], why: str) -> None:
    """Refuse a transformer with a field that changes what it computes.

    Args:
        source: The source.
        names: The fields.
        why: What has them.

    Raises:
        SourceError: One is set.
    """
    for name in names:
        if source.config("transformer").get(name):
            raise SourceError(f"the transformer's `{name}` is set, {why}: expected none")


ADMITTED = Admitted(
    classes=CLASSES,
    leftovers={**LANGUAGE_MODEL_LEFTOVERS, r"^(model\.)?visual\.": "what looks at pictures, for models that edit them"},
    check=_check,
)


def plans(source: Source) -> tuple[ComponentPlan, ...]:
    """Text encoder, transformer, VAE decoder, VAE encoder."""
    text, vae = source.config("text_encoder"), source.config("vae")
    state = text_config(text)["num_hidden_layers"]
    return (
        decoder_states(
            "text_encoder",
            text,
            build=qwen2_vl_text,
            takes=states_after([state]),
        ),
        _transformer(source.config("transformer")),
        *autoencoder(vae),
    )


def autoencoder(config: Config) -> tuple[ComponentPlan, ComponentPlan]:
    """VAE decoder, VAE encoder."""
    return _vae_decoder(config), _vae_encoder(config)


def _transformer(config: Config) -> ComponentPlan:
    return ComponentPlan(
        role="transformer",
        origin="transformer",
        build=_build,
        forward=lambda module, *tensors: module(*tensors),
        inputs=(
            GraphInput("hidden_states", _FP32, ("batch", config["out_channels"], "height", "width")),
            GraphInput("timestep", _FP32, ("batch",), positive=True),
            GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
            GraphInput("encoder_hidden_states_mask", torch.int64, ("batch", "sequence"), padding="right"),
        ),
        outputs=("out_hidden_states",),
        traced={"batch": 2, "height": 6, "width": 10, "sequence": 7},
        checked={"batch": 3, "height": 16, "width": 8, "sequence": 20},
        sines=(Sines("time_text_embed.time_proj", ("timestep",)),),
    )


def _vae_decoder(config: Config) -> ComponentPlan:
    return ComponentPlan(
        role="vae_decoder",
        origin="vae",
        build=AutoencoderKLQwenImage.from_config,
        forward=lambda module, sample: (module.decode(sample[:, :, None], return_dict=False)[0][:, :, 0],),
        inputs=(GraphInput("latent_sample", _FP32, ("batch", config["z_dim"], "height", "width")),),
        outputs=("sample",),
        traced={"batch": 2, "height": 3, "width": 5},
        checked={"batch": 3, "height": 4, "width": 2},
    )


def _vae_encoder(config: Config) -> ComponentPlan:
    factor = 2 ** len(config["temperal_downsample"])
    return ComponentPlan(
        role="vae_encoder",
        origin="vae",
        build=AutoencoderKLQwenImage.from_config,
        forward=lambda module, sample: (module.encode(sample[:, :, None]).latent_dist.parameters[:, :, 0],),
        inputs=(GraphInput("sample", _FP32, ("batch", config.get("input_channels", 3), "height", "width")),),
        outputs=("latent_parameters",),
        traced={"batch": 2, "height": 3 * factor, "width": 5 * factor},
        checked={"batch": 3, "height": 4 * factor, "width": 2 * factor},
    )
