"""An IP-Adapter: pictures beside the prompt, to which every cross-attention of a network looks with weights of its own.

Ye et al. 2023, "IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models". What CLIP makes
of the pictures becomes tokens, those of several pictures behind one another; the unguided branch has those of zeros.
"""

from __future__ import annotations

from dataclasses import replace

from edgediff_runtimes.families.control import network_of
from edgediff_runtimes.recipe.declarations import Branches, Graph, PromptPictures
from edgediff_runtimes.recipe.recipe import Recipe

IP_ADAPTER, IMAGE_ENCODER = "ip_adapter", "image_encoder"
# What the network takes: tokens, and how much they weigh.
TOKENS, SCALE = "ip_hidden_states", "ip_scale"


def with_ip_adapter(recipe: Recipe, *, side: int) -> Recipe:
    """The recipe with an IP-Adapter.

    Args:
        recipe: Of a model with a U-Net.
        side: Pixels along one side of what the image encoder takes.
    """
    first, *others = recipe.stages
    network = network_of(first)
    fed = replace(network, feeds={**network.feeds, TOKENS: "prompt_tokens", SCALE: "prompt_scale"})
    given = (
        PromptPictures("prompt_pixels", "prompt_scale", side),
        Graph(IMAGE_ENCODER, {"pixel_values": "prompt_pixels"}, {"image_embeds": "prompt_seen"}, when="prompt_pixels"),
        Graph(
            IP_ADAPTER,
            {"image_embeds": "prompt_seen"},
            {"tokens": "prompt_picture_tokens", "null_tokens": "prompt_null_tokens"},
            when="prompt_seen",
        ),
        Branches("prompt_picture_tokens", "prompt_null_tokens", "prompt_tokens"),
    )
    stage = replace(
        first,
        given=(*first.given, *given),
        network=tuple(fed if part is network else part for part in first.network),
    )
    return Recipe((stage, *others))


def has_ip_adapter(recipe: Recipe) -> bool:
    """Whether a recipe has one."""
    return any(isinstance(part, PromptPictures) for part in recipe.first.given)
