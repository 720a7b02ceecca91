"""Language models that read a prompt: decoders whose hidden states are the text, fed ids and an attention mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2Model,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    Qwen3Config,
    Qwen3Model,
)
from transformers.masking_utils import create_masks_for_generate

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs

QWEN_TOKENIZERS = ("Qwen2Tokenizer", "Qwen2TokenizerFast")
GEMMA_TOKENIZERS = ("GemmaTokenizer", "GemmaTokenizerFast")
LANGUAGE_MODEL_LEFTOVERS = {r"^lm_head\.weight$": "what the model speaks with", r"rotary_emb\.inv_freq$": "a constant"}
# What files of all versions of transformers put in front of the decoder's own names.
_PREFIXES = ("model.language_model.", "language_model.model.", "language_model.", "model.")


def decoder_states(
    role: str,
    config: Config,
    *,
    build: Callable[[Config], torch.nn.Module],
    takes: Mapping[str, Callable[[Any], torch.Tensor]],
) -> ComponentPlan:
    """A causal language model that gives hidden states of all tokens.

    Attention is computed as written in the model, with masks that are added: a token of the padding in front of a text
    sees nothing then, and its state is a number nonetheless.

    Args:
        role: Its directory, in the source and in the bundle.
        config: Its config.
        build: Makes the decoder without its head from that config.
        takes: The outputs by name, each from what the model returns with all its hidden states.
    """

    def forward(module: torch.nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Outputs:
        masks = added_masks(module.config, attention_mask)
        out = module(input_ids=input_ids, attention_mask=masks, use_cache=False, output_hidden_states=True)
        return tuple(take(out) for take in takes.values())

    return ComponentPlan(
        role=role,
        origin=role,
        build=build,
        forward=forward,
        inputs=(
            GraphInput("input_ids", torch.int64, ("batch", "sequence"), below=text_config(config)["vocab_size"]),
            GraphInput("attention_mask", torch.int64, ("batch", "sequence"), padding="either"),
        ),
        outputs=tuple(takes),
        traced={"batch": 2, "sequence": 9},
        checked={"batch": 3, "sequence": 14},
        rename=without_prefix,
    )


def added_masks(config: PreTrainedConfig, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """What is added to the scores, by the kind of layer, in float32 whatever the model computes in.

    A token that sees nothing weighs all tokens alike, because the least float32 swallows its scores. The least float16
    would do so only where sums are rounded to float16, and ONNX Runtime computes them in float32.
    """
    shaped = torch.empty((*attention_mask.shape, 1), dtype=torch.float32)  # read for its shape and dtype
    masks: dict[str, torch.Tensor] = create_masks_for_generate(config, shaped, attention_mask, None)
    return masks


def states_after(layers: Sequence[int]) -> dict[str, Callable[[Any], torch.Tensor]]:
    """``takes`` of the states after so many layers; 0 are the embeddings."""
    return {f"hidden_states.{layer}": partial(_state, layer) for layer in layers}


def _state(layer: int, out: Any) -> torch.Tensor:  # noqa: ANN401 - what transformers returns has no base
    state: torch.Tensor = out.hidden_states[layer]
    return state


def text_config(config: Config) -> Config:
    """The part of a config that is about text, where the model reads pictures as well."""
    nested: Config | None = config.get("text_config")
    return config if nested is None else nested


def without_prefix(name: str) -> str:
    """A decoder's own name for a tensor."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def qwen3(config: Config) -> torch.nn.Module:
    """The decoder of a Qwen3."""
    return _decoder(Qwen3Model, Qwen3Config.from_dict(config))


def gemma2(config: Config) -> torch.nn.Module:
    """The decoder of a Gemma 2."""
    return _decoder(Gemma2Model, Gemma2Config.from_dict(config))


def qwen2_vl_text(config: Config) -> torch.nn.Module:
    """The decoder of a Qwen2.5-VL, without what looks at pictures."""
    return _decoder(Qwen2_5_VLTextModel, Qwen2_5_VLTextConfig.from_dict(text_config(config)))


def _decoder(kind: type[PreTrainedModel], config: PreTrainedConfig) -> torch.nn.Module:
    # Its only way to say how attention is computed.
    module: torch.nn.Module = kind._from_config(config, attn_implementation="eager")  # noqa: SLF001
    return module
