"""CLIP's text encoders, plain and with a projection, T5's encoders, and BERT's."""

from __future__ import annotations

import torch
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs

T5_TOKENIZERS = ("T5Tokenizer", "T5TokenizerFast")
BERT_TOKENIZERS = ("BertTokenizer", "BertTokenizerFast")
BERT_LEFTOVERS = {r"^pooler\.": "the pooled text, which is not used", r"^embeddings\.position_ids$": "a constant"}


def clip_last(role: str, config: Config, *, every: bool = False) -> ComponentPlan:
    """A CLIP text encoder without a projection that gives its last states.

    Args:
        role: Its directory, in the source and in the bundle.
        config: Its config.
        every: Also those of the layers before, through the last norm: ``last_hidden_state.2`` of the last but one ...,
            of which ``clip_skip`` takes one.
    """
    layers = range(2, CLIPTextConfig.from_dict(config).num_hidden_layers + 1) if every else ()

    def forward(module: torch.nn.Module, input_ids: torch.Tensor) -> Outputs:
        out = module(input_ids=input_ids, output_hidden_states=every)
        norm = module.get_submodule("final_layer_norm")
        earlier = (norm(out.hidden_states[-layer]) for layer in layers)
        return out.last_hidden_state, out.pooler_output, *earlier

    return ComponentPlan(
        role=role,
        origin=role,
        build=lambda config: CLIPTextModel(CLIPTextConfig.from_dict(config)),
        forward=forward,
        inputs=(GraphInput("input_ids", torch.int32, ("batch", "sequence"), below=config["vocab_size"]),),
        outputs=("last_hidden_state", "pooler_output", *(f"last_hidden_state.{layer}" for layer in layers)),
        traced={"batch": 2, "sequence": 9},
        checked={"batch": 3, "sequence": config["max_position_embeddings"]},
        rename=_rename_clip,
    )


def clip_states(role: str, config: Config, *, projected: bool) -> ComponentPlan:
    """A CLIP text encoder that gives the states of all its layers, named as optimum names them.

    Args:
        role: Its directory, in the source and in the bundle.
        config: Its config.
        projected: Whether it has a projection: its first output is then ``text_embeds`` (batch, projection), and else
            ``last_hidden_state`` (batch, sequence, dim) and ``pooler_output``.
    """
    first = ("text_embeds", "last_hidden_state") if projected else ("last_hidden_state", "pooler_output")
    states = tuple(f"hidden_states.{layer}" for layer in range(config["num_hidden_layers"] + 1))

    def forward(module: torch.nn.Module, input_ids: torch.Tensor) -> Outputs:
        out = module(input_ids=input_ids, output_hidden_states=True)
        return (*(getattr(out, name) for name in first), *out.hidden_states)

    module = CLIPTextModelWithProjection if projected else CLIPTextModel
    return ComponentPlan(
        role=role,
        origin=role,
        build=lambda config: module(CLIPTextConfig.from_dict(config)),
        forward=forward,
        inputs=(GraphInput("input_ids", torch.int32, ("batch", "sequence"), below=config["vocab_size"]),),
        outputs=(*first, *states),
        traced={"batch": 2, "sequence": 9},
        checked={"batch": 3, "sequence": config["max_position_embeddings"]},
        rename=(lambda name: name) if projected else _rename_clip,
    )


def _rename_clip(name: str) -> str:
    # transformers 5 took the wrapping `text_model` away from the encoder without a projection.
    return name.removeprefix("text_model.")


def t5_encoder(role: str, config: Config, *, masked: bool) -> ComponentPlan:
    """The encoder of a T5 or UMT5, named as optimum names it.

    Args:
        role: Its directory, in the source and in the bundle.
        config: Its config; ``model_type`` says which of the two it is.
        masked: Whether it takes an ``attention_mask`` (batch, sequence).
    """
    inputs = [GraphInput("input_ids", torch.int64, ("batch", "sequence"), below=config["vocab_size"])]
    if masked:
        inputs.append(GraphInput("attention_mask", torch.int64, ("batch", "sequence"), padding="right"))

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        return (module(**dict(zip((item.name for item in inputs), tensors, strict=True))).last_hidden_state,)

    return ComponentPlan(
        role=role,
        origin=role,
        build=_build_t5,
        forward=forward,
        inputs=tuple(inputs),
        outputs=("last_hidden_state",),
        traced={"batch": 2, "sequence": 9},
        checked={"batch": 3, "sequence": 20},
        rename=_rename_t5,
        single=("wo",),  # as transformers keeps it, see `_keep_in_fp32_modules`
    )


def _build_t5(config: Config) -> torch.nn.Module:
    # Only the encoder itself: the module around it names the table of embeddings twice.
    if config.get("model_type") == "umt5":
        umt5: torch.nn.Module = UMT5EncoderModel(UMT5Config.from_dict(config)).encoder
        return umt5
    t5: torch.nn.Module = T5EncoderModel(T5Config.from_dict(config)).encoder
    return t5


def _rename_t5(name: str) -> str:
    return "embed_tokens.weight" if name == "shared.weight" else name.removeprefix("encoder.")


def bert_encoder(role: str, config: Config) -> ComponentPlan:
    """A BERT that gives its last states.

    Args:
        role: Its directory, in the source and in the bundle.
        config: Its config.
    """
    inputs = (
        GraphInput("input_ids", torch.int64, ("batch", "sequence"), below=config["vocab_size"]),
        GraphInput("attention_mask", torch.int64, ("batch", "sequence"), padding="right"),
    )

    def forward(module: torch.nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Outputs:
        return (module(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state,)

    return ComponentPlan(
        role=role,
        origin=role,
        build=lambda config: BertModel(BertConfig.from_dict(config), add_pooling_layer=False),
        forward=forward,
        inputs=inputs,
        outputs=("last_hidden_state",),
        traced={"batch": 2, "sequence": 9},
        checked={"batch": 3, "sequence": 20},
    )
