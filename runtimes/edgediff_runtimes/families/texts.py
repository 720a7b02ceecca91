"""What families share whose text comes from a language model."""

from __future__ import annotations

from edgediff_runtimes.families.configs import Configs


def state_of(configs: Configs, *, before_last: int) -> str:
    """The output that holds the states after a layer of the language model, so many before its last one."""
    fields = configs.of("text_encoder")
    nested = fields.values.get("text_config")
    layers = (fields if nested is None else fields.fields("text_config")).integer("num_hidden_layers", minimum=1)
    return f"hidden_states.{layers - before_last}"  # counted from the embeddings on
