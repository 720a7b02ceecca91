"""CLIP's text encoders, plain and with a projection."""

from __future__ import annotations

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs


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
        outputs=(
            *(("text_embeds", "last_hidden_state") if projected else ("last_hidden_state", "pooler_output")),
            *states,
        ),
        traced={"batch": 2, "sequence": 9},
        checked={"batch": 3, "sequence": config["max_position_embeddings"]},
        # transformers 5 took the wrapping `text_model` away from the encoder without a projection.
        rename=(lambda name: name) if projected else (lambda name: name.removeprefix("text_model.")),
    )
