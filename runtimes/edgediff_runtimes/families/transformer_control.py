"""ControlNets of transformers: what they give is added behind the blocks, and their picture is seen as latents.

Order of draws and numbers: those of diffusers' StableDiffusion3ControlNetPipeline and FluxControlNetPipeline, but for
two of them, which no seed decides or a caller expects: for Stable Diffusion 3, diffusers draws the picture's latents
from the process's own source, another draw for each branch of the guidance, where here it is their mean; and FLUX's
unguided branch is steered by what its own text gives, as everywhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgediff_runtimes.families.control import network_of, with_control
from edgediff_runtimes.recipe.declarations import Affine, Cut, Gaussian, Graph, Patches
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Recipe

ENCODER = "vae_encoder"
_PATCH = 2  # entries of FLUX's latents along one side of a token
# What a network takes behind each of its blocks.
SD3_TAKES = "block_controlnet_hidden_states"
FLUX_TAKES, FLUX_SINGLE_TAKES = "controlnet_block_samples", "controlnet_single_block_samples"
# What a ControlNet gives, of its blocks and of its single ones.
GIVES, SINGLE_GIVES = "block_sample", "single_block_sample"


def spread_evenly(blocks: int, samples: int) -> tuple[int, ...]:
    """Which sample is added behind each block of Stable Diffusion 3's network but the last, which takes none."""
    return tuple(int(block / (blocks / samples)) for block in range(blocks - 1))


def spread_in_runs(blocks: int, samples: int) -> tuple[int, ...]:
    """Which sample is added behind each block of FLUX's network."""
    run = math.ceil(blocks / samples) if samples else 1
    return tuple(block // run for block in range(blocks)) if samples else ()


def taken(takes: str, gives: str, spread: Sequence[int]) -> dict[str, str]:
    """For each input of a network: which output of a ControlNet it is given.

    Args:
        takes: What the inputs' names begin with.
        gives: What the outputs' names begin with.
        spread: Which output is for each block.
    """
    return {f"{takes}_{block}": f"{gives}_{sample}" for block, sample in enumerate(spread)}


def with_transformer_controlnet(
    recipe: Recipe, role: str, *, told: Sequence[str], taken: Mapping[str, str], encoding: tuple[Part, ...]
) -> Recipe:
    """The recipe with one ControlNet more, behind those that it has.

    Args:
        recipe: Of a model with a transformer.
        role: Of the new component.
        told: Its inputs that the network has too.
        taken: See ``taken``.
        encoding: See ``encoded_mean`` and ``encoded_tokens``.
    """
    feeds = {name: network_of(recipe.first).feeds[name] for name in told}
    return with_control(recipe, role, feeds=feeds, taken=taken, encoding=encoding)


def encoded_mean(role: str, *, channels: int, scaling: float, shift: float, draws: bool) -> tuple[Part, ...]:
    """The picture's latents, the mean of the encoder's distribution: ``(1, channels, height, width)``.

    Args:
        role: Of the ControlNet.
        channels: Of the latents.
        scaling: Latents are (encoded - shift) * scaling.
        shift: See ``scaling``.
        draws: Whether the encoder gives a distribution, and not latents.
    """
    encoder, encoded = _encoder(role, draws=draws)
    cut: tuple[Part, ...] = (Cut(encoded, f"{role}.mode", axis=1, entries=channels),) if draws else ()
    scaled = Affine(f"{role}.mode" if draws else encoded, f"{role}.condition", minus=shift, times=scaling)
    return encoder, *cut, scaled


def encoded_tokens(role: str, *, scaling: float, shift: float, draws: bool) -> tuple[Part, ...]:
    """The picture's latents, drawn for each picture, as tokens: ``(pictures, tokens, channels)``; see above."""
    encoder, encoded = _encoder(role, draws=draws)
    draw: tuple[Part, ...] = (Gaussian(encoded, f"{role}.draw"),) if draws else ()
    tokens = f"{role}.tokens"
    return (
        encoder,
        *draw,
        Patches(f"{role}.draw" if draws else encoded, tokens, _PATCH),
        Affine(tokens, f"{role}.condition", minus=shift, times=scaling),
    )


def _encoder(role: str, *, draws: bool) -> tuple[Graph, str]:
    picture, encoded = f"{role}.picture", f"{role}.encoded"
    takes = {"latent_parameters" if draws else "latent_sample": encoded}
    return Graph(ENCODER, {"sample": picture}, takes, tiled=True, when=picture), encoded
