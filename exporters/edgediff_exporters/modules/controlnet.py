"""``ControlNetModel``: what stands beside a U-Net and is steered by a picture.

The picture has one row, whatever the batch: it is the same for all, and its convolutions run over all its pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import ControlNetModel

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.families.stable_diffusion import rename_attention
from edgediff_exporters.openings import Opening
from edgediff_runtimes.bundle import Component
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.control import CONTROLNET, given_residuals, taken_residuals

CLASS = ControlNetModel.__name__
_FP32 = torch.float32
_TRAIN_TIMESTEPS, _PIXELS = 1000, 1024
# Of both configs: without these being equal neither their arrays nor what they are told fit together.
_COMMON = (
    *("block_out_channels", "layers_per_block", "cross_attention_dim"),
    *("addition_embed_type", "projection_class_embeddings_input_dim"),
)
# What a U-Net is told beside the text, and how large the numbers are.
_TOLD = {"text_embeds": 1.0, "time_ids": float(_PIXELS)}


def skips_of(unet: Config) -> int:
    """How many arrays of a U-Net go past its middle."""
    blocks = len(unet["block_out_channels"])
    return 1 + sum(_layers(unet["layers_per_block"], blocks)) + blocks - 1


def openings(unet: Config) -> tuple[Opening, ...]:
    """Where what it gives is added: to all skips as the decoder reads them, and to the middle."""
    skips = skips_of(unet)
    return tuple(Opening(name, index if index < skips else None) for index, name in enumerate(taken_residuals(skips)))


def check_controlnet(config: Config, unet: Config, *, name: str, channels: int, factor: int) -> None:
    """Whether a ControlNet is made for a U-Net.

    Args:
        config: The ControlNet's.
        unet: The U-Net's.
        name: What to call the ControlNet.
        channels: Of the latents.
        factor: Pixels along one side of a latent pixel.

    Raises:
        SourceError: It is not, or is of a kind that is not known here.
    """
    for field in _COMMON:
        own, wanted = (_comparable(values, field) for values in (config, unet))
        if own != wanted:
            raise SourceError(
                f"`{name}` is made for another U-Net: its `{field}` is {config.get(field)}, expected {unet.get(field)}"
            )
    shrunk = 2 ** (len(config.get("conditioning_embedding_out_channels") or (16, 32, 96, 256)) - 1)
    wanted_numbers: dict[str, tuple[Any, Any]] = {
        "in_channels": (config.get("in_channels", 4), channels),
        "conditioning_channels": (config.get("conditioning_channels", 3), 3),
        "mid_block_type": (config.get("mid_block_type", ""), unet.get("mid_block_type", "")),
        "pixels for each of the latents": (shrunk, factor),
        "global_pool_conditions": (bool(config.get("global_pool_conditions")), False),
        "class_embed_type": (config.get("class_embed_type"), None),
        "num_class_embeds": (config.get("num_class_embeds"), None),
        "encoder_hid_dim": (config.get("encoder_hid_dim"), None),
    }
    for field, (got, expected) in wanted_numbers.items():
        if got != expected:
            raise SourceError(f"the ControlNet `{name}` has {got} as its `{field}`: expected {expected}")


def controlnet(role: str, config: Config, network: Component, *, factor: int) -> ComponentPlan:
    """The plan of its graph.

    Args:
        role: Its directory in the bundle.
        config: Its config.
        network: The U-Net that it is for: it is told the same.
        factor: Pixels along one side of a latent pixel.
    """
    widths = {spec.name: spec.shape[-1] for spec in network.inputs}
    told = [name for name in _TOLD if name in widths]
    inputs = (
        GraphInput("sample", _FP32, ("batch", config.get("in_channels", 4), "height", "width")),
        GraphInput("timestep", _FP32, (1,), scale=_TRAIN_TIMESTEPS, positive=True),
        GraphInput("encoder_hidden_states", _FP32, ("batch", "sequence", widths["encoder_hidden_states"])),
        *(
            GraphInput(name, _FP32, ("batch", widths[name]), scale=_TOLD[name], positive=name == "time_ids", exact=True)
            for name in told
        ),
        GraphInput("controlnet_cond", _FP32, (1, 3, "picture_height", "picture_width"), positive=True),
        GraphInput("conditioning_scale", _FP32, (1,), positive=True),
    )

    def forward(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        sample, timestep, hidden, *others = tensors
        *numbers, picture, scale = others
        down, mid = module(
            sample,
            timestep,
            hidden,
            controlnet_cond=picture,
            conditioning_scale=scale,
            added_cond_kwargs=dict(zip(told, numbers, strict=True)) or None,
            return_dict=False,
        )
        return (*down, mid)

    shapes = (
        {"batch": 2, "height": 9, "width": 15, "sequence": 7},
        {"batch": 3, "height": 16, "width": 12, "sequence": 5},
    )
    traced, checked = (
        {**one, "picture_height": factor * one["height"], "picture_width": factor * one["width"]} for one in shapes
    )
    return ComponentPlan(
        role=role,
        origin=CONTROLNET,
        build=ControlNetModel.from_config,
        forward=forward,
        inputs=inputs,
        outputs=given_residuals(skips_of(config)),
        traced=traced,
        checked=checked,
        rename=rename_attention,
    )


def _layers(value: int | list[int], blocks: int) -> list[int]:
    return [value] * blocks if isinstance(value, int) else list(value)


def _comparable(config: Config, field: str) -> object:
    value = config.get(field)
    return _layers(value, len(config["block_out_channels"])) if field == "layers_per_block" and value else value
