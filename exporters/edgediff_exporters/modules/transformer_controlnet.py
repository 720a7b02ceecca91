"""``SD3ControlNetModel`` and ``FluxControlNetModel``: what stands beside a transformer and is steered by a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FluxControlNetModel, SD3ControlNetModel

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.openings import TOKEN_AXES, Blocks, Opening
from edgediff_runtimes.bundle import Component
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.control import CONDITION, CONTROLNET, WEIGHT
from edgediff_runtimes.families.transformer_control import (
    FLUX_SINGLE_TAKES,
    FLUX_TAKES,
    GIVES,
    SD3_TAKES,
    SINGLE_GIVES,
    spread_evenly,
    spread_in_runs,
    taken,
)

SD3_CLASS, FLUX_CLASS = SD3ControlNetModel.__name__, FluxControlNetModel.__name__
_FP32 = torch.float32
_TRAIN_TIMESTEPS, _PLACES, _GUIDANCE = 1000, 64, 7.0


def sd3_blocks(network: Config) -> Blocks:
    """Attention and feed-forward of each block add to the tokens; a block with two attentions adds once more."""
    twice = network.get("dual_attention_layers") or ()
    return Blocks(tuple(2 + (block in twice) for block in range(network["num_layers"])))


def flux_blocks(network: Config) -> Blocks:
    """Attention and feed-forward of each block add to the tokens; those of a single block do so together."""
    return Blocks((*[2] * network["num_layers"], *[1] * network["num_single_layers"]))


def sd3_openings(network: Config) -> tuple[Opening, ...]:
    """Behind all blocks but the last."""
    return tuple(_opening(f"{SD3_TAKES}_{block}", block) for block in range(network["num_layers"] - 1))


def flux_openings(config: Config, network: Config) -> tuple[Opening, ...]:
    """Behind all blocks, and all single blocks, where the ControlNet has such."""
    doubles, singles = network["num_layers"], network["num_single_layers"]
    return (
        *(_opening(f"{FLUX_TAKES}_{block}", block) for block in range(doubles) if config["num_layers"]),
        *(
            _opening(f"{FLUX_SINGLE_TAKES}_{block}", doubles + block)
            for block in range(singles)
            if config["num_single_layers"]
        ),
    )


def sd3_taken(config: Config, network: Config) -> dict[str, str]:
    """What each of the network's inputs is given."""
    return taken(SD3_TAKES, GIVES, spread_evenly(network["num_layers"], config["num_layers"]))


def flux_taken(config: Config, network: Config) -> dict[str, str]:
    """What each of the network's inputs is given."""
    doubles = spread_in_runs(network["num_layers"], config["num_layers"])
    singles = spread_in_runs(network["num_single_layers"], config["num_single_layers"])
    return taken(FLUX_TAKES, GIVES, doubles) | taken(FLUX_SINGLE_TAKES, SINGLE_GIVES, singles)


def check_sd3(config: Config, network: Config, *, name: str) -> None:
    """Whether a ControlNet is made for a transformer of Stable Diffusion 3.

    Raises:
        SourceError: It is not, or is of a kind that is not known here.
    """
    if config.get("joint_attention_dim") is None or config.get("use_pos_embed") is False:
        raise SourceError(
            f"`{name}` has no embedding of its own, as those of Stable Diffusion 3.5 Large: expected a ControlNet that "
            "has one for positions and one for the text"
        )
    _check_told(config, network, name=name)
    _check_equal(
        name,
        {
            "patch_size": (config.get("patch_size", 2), network["patch_size"]),
            "extra_conditioning_channels": (config.get("extra_conditioning_channels", 0), 0),
            "pos_embed_type": (config.get("pos_embed_type", "sincos"), "sincos"),
        },
    )
    if config["pos_embed_max_size"] < network["pos_embed_max_size"]:
        raise SourceError(
            f"`{name}` knows {config['pos_embed_max_size']} places along a side: expected at least "
            f"{network['pos_embed_max_size']}, which the network knows"
        )
    if config["num_layers"] not in range(1, network["num_layers"] + 1):
        raise SourceError(f"`{name}` has {config['num_layers']} blocks: expected 1 to {network['num_layers']}")


def check_flux(config: Config, network: Config, *, name: str, told: Mapping[str, str]) -> None:
    """Whether a ControlNet is made for a transformer of FLUX.1.

    Args:
        config: The ControlNet's.
        network: The transformer's.
        name: What to call the ControlNet.
        told: What the transformer is fed.

    Raises:
        SourceError: It is not, or is of a kind that is not known here.
    """
    if told.get("hidden_states") != "tokens":
        raise SourceError(
            f"`{name}` is for FLUX.1 dev and schnell: expected a bundle of one of these, whose network sees "
            "nothing but what it draws"
        )
    if config.get("num_mode") is not None:
        raise SourceError(f"`{name}` is of several kinds in one (union): expected a ControlNet of one kind")
    if config.get("conditioning_embedding_channels") is not None:
        raise SourceError(f"`{name}` looks at pixels, as XLabs' do: expected a ControlNet that looks at latents")
    _check_told(config, network, name=name)
    axes = config.get("axes_dims_rope", [16, 56, 56]), network.get("axes_dims_rope", [16, 56, 56])
    _check_equal(name, {"axes_dims_rope": ([*axes[0]], [*axes[1]])})
    if config.get("guidance_embeds") and "guidance" not in told:
        raise SourceError(f"`{name}` is told the guidance: expected a ControlNet for a network that is not")
    counts = config["num_layers"], config["num_single_layers"]
    most = network["num_layers"], network["num_single_layers"]
    if not any(counts) or any(count not in range(limit + 1) for count, limit in zip(counts, most, strict=True)):
        raise SourceError(
            f"`{name}` has {counts[0]} blocks and {counts[1]} single ones: expected up to {most[0]} and {most[1]}"
        )


def sd3_controlnet(role: str, config: Config) -> ComponentPlan:
    """The plan of its graph.

    Args:
        role: Its directory in the bundle.
        config: Its config.
    """
    patch, channels, pooled = config["patch_size"], config["in_channels"], config["pooled_projection_dim"]
    # InstantX's, which most are made after, are told nothing of the text as a whole.
    told = not config.get("force_zeros_for_pooled_projection", True)
    inputs = (
        GraphInput("hidden_states", _FP32, ("batch", channels, "height", "width")),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
        *([GraphInput("pooled_projections", _FP32, ("batch", pooled))] if told else []),
        GraphInput("timestep", _FP32, ("batch",), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput(CONDITION, _FP32, (1, channels, "height", "width")),
        GraphInput(WEIGHT, _FP32, (1,), positive=True),
    )

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        named = {item.name: tensor for item, tensor in zip(inputs, tensors, strict=True)}
        if not told:
            named["pooled_projections"] = tensors[0].new_zeros(1, pooled)
        (samples,) = module(**named, return_dict=False)
        return tuple(samples)

    return ComponentPlan(
        role=role,
        origin=CONTROLNET,
        build=SD3ControlNetModel.from_config,
        forward=forward,
        inputs=inputs,
        outputs=_numbered(GIVES, config["num_layers"]),
        traced={"batch": 2, "height": 3 * patch, "width": 5 * patch, "sequence": 7},
        checked={"batch": 3, "height": 6 * patch, "width": 4 * patch, "sequence": 5},
    )


def flux_controlnet(role: str, config: Config) -> ComponentPlan:
    """The plan of its graph.

    Args:
        role: Its directory in the bundle.
        config: Its config.
    """
    axes, channels = len(config["axes_dims_rope"]), config["in_channels"]
    inputs = (
        GraphInput("hidden_states", _FP32, ("batch", "tokens", channels)),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", config["joint_attention_dim"])),
        GraphInput("pooled_projections", _FP32, ("batch", config["pooled_projection_dim"])),
        GraphInput("timestep", _FP32, ("batch",), positive=True),
        GraphInput("txt_ids", _FP32, ("sequence", axes), below=_PLACES),
        GraphInput("img_ids", _FP32, ("tokens", axes), below=_PLACES),
        *(
            [GraphInput("guidance", _FP32, ("batch",), scale=_GUIDANCE, positive=True)]
            if config.get("guidance_embeds")
            else []
        ),
        GraphInput(CONDITION, _FP32, ("batch", "tokens", channels)),
        GraphInput(WEIGHT, _FP32, (1,), positive=True),
    )

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        named = {item.name: tensor for item, tensor in zip(inputs, tensors, strict=True)}
        samples, single = module(**named, return_dict=False)
        return (*(samples or ()), *(single or ()))

    return ComponentPlan(
        role=role,
        origin=CONTROLNET,
        build=FluxControlNetModel.from_config,
        forward=forward,
        inputs=inputs,
        outputs=(*_numbered(GIVES, config["num_layers"]), *_numbered(SINGLE_GIVES, config["num_single_layers"])),
        traced={"batch": 2, "tokens": 15, "sequence": 7},
        checked={"batch": 3, "tokens": 24, "sequence": 5},
    )


def told_of(plan: ComponentPlan) -> tuple[str, ...]:
    """The inputs that a ControlNet has in common with its network."""
    return tuple(item.name for item in plan.inputs if item.name not in (CONDITION, WEIGHT))


def draws(encoder: Component) -> bool:
    """Whether a VAE's encoder gives a distribution, and not latents."""
    return any(spec.name == "latent_parameters" for spec in encoder.outputs)


def _check_told(config: Config, network: Config, *, name: str) -> None:
    """Arrays that both take, or that one takes from the other."""
    width = (one["num_attention_heads"] * one["attention_head_dim"] for one in (config, network))
    own, wanted = width
    _check_equal(
        name,
        {
            "in_channels": (config["in_channels"], network["in_channels"]),
            "joint_attention_dim": (config["joint_attention_dim"], network["joint_attention_dim"]),
            "pooled_projection_dim": (config["pooled_projection_dim"], network["pooled_projection_dim"]),
            "width (`num_attention_heads` times `attention_head_dim`)": (own, wanted),
        },
    )


def _check_equal(name: str, pairs: Mapping[str, tuple[Any, Any]]) -> None:
    for field, (got, expected) in pairs.items():
        if got != expected:
            raise SourceError(f"`{name}` is made for another transformer: its {field} is {got}, expected {expected}")


def _opening(name: str, place: int) -> Opening:
    return Opening(name, place, everywhere=True, axes=TOKEN_AXES)


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}_{number}" for number in range(count))
