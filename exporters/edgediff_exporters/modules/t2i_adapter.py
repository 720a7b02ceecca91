"""``T2IAdapter``: features of a picture, computed once, that are added inside a U-Net's encoder.

Mou et al. 2023, "T2I-Adapter: Learning Adapters to Dig out More Controllable Ability for Text-to-Image Diffusion
Models". Where they are added, diffusers' U-Net says: to what the last attention of a block gives, to what a block
without attention gives, and what is left to what the middle gives.
"""

from __future__ import annotations

import torch
from diffusers import T2IAdapter

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs
from edgediff_exporters.openings import Opening
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.control import T2I_ADAPTER, given_features, taken_features

CLASS = T2IAdapter.__name__
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as Pillow weighs them: a grey picture stays what it is
_XL_BLOCKS = 3
_LIGHT = "light_adapter"
_TYPES = ("full_adapter", "full_adapter_xl", _LIGHT)


def feature_places(unet: Config) -> tuple[int | None, ...]:
    """Which of a U-Net's skips the features are added to, in their order; None: the middle."""
    blocks, layers = unet["down_block_types"], unet["layers_per_block"]
    each = [layers] * len(blocks) if isinstance(layers, int) else layers
    places: list[int | None] = []
    begin = 1  # behind the first convolution
    for number, (kind, count) in enumerate(zip(blocks, each, strict=True)):
        length = count + (number + 1 < len(blocks))
        places.append(begin + (count if "CrossAttn" in kind else length) - 1)
        begin += length
    return (*places, None)


def _features(config: Config) -> int:
    """How many features it gives: of the light kind one more than it has ``channels``, as wide as the last."""
    return len(config["channels"]) + (config.get("adapter_type") == _LIGHT)


def openings(config: Config, unet: Config) -> tuple[Opening, ...]:
    """Where its features are added."""
    places = feature_places(unet)[: _features(config)]
    return tuple(
        Opening(name, place, everywhere=True) for name, place in zip(taken_features(len(places)), places, strict=True)
    )


def check_adapter(config: Config, unet: Config, *, name: str, factor: int) -> None:
    """Whether an adapter is made for a U-Net.

    Args:
        config: The adapter's.
        unet: The U-Net's.
        name: What to call the adapter.
        factor: Pixels along one side of a latent pixel.

    Raises:
        SourceError: It is not, or is of a kind that is not known here.
    """
    kind, channels = config.get("adapter_type", _TYPES[0]), config.get("channels")
    if kind not in _TYPES:
        raise SourceError(f"the adapter `{name}` has the type `{kind}`: expected one of {', '.join(_TYPES)}")
    if config.get("in_channels", 3) not in (1, 3):
        raise SourceError(f"the adapter `{name}` takes {config['in_channels']} channels: expected 3, or 1 for grey")
    own = unet["block_out_channels"]
    wanted = [*own, own[-1]] if kind == "full_adapter_xl" else [*own[:-1]] if kind == _LIGHT else [*own]
    shrunk = factor * (2 if kind == "full_adapter_xl" else 1)
    if channels != wanted or config.get("downscale_factor", 8) != shrunk:
        raise SourceError(
            f"`{name}` is made for another U-Net: its `channels` are {channels} and its `downscale_factor` is "
            f"{config.get('downscale_factor')}, expected {wanted} and {shrunk}"
        )
    if kind == _LIGHT and own[-2:] != [own[-1]] * 2:
        raise SourceError(f"`{name}` is a `{kind}`: expected a U-Net whose last two blocks are as wide, got {own}")
    if kind == "full_adapter_xl" and len(own) != _XL_BLOCKS:  # it halves its picture once, between the second and third
        raise SourceError(f"`{name}` is a `{kind}`: expected a U-Net of {_XL_BLOCKS} blocks for it, got {len(own)}")
    if kind != "full_adapter_xl" and "CrossAttn" not in unet["down_block_types"][0]:
        raise SourceError(f"`{name}` is a `{kind}`: expected one for a U-Net whose first block has no attention")


def t2i_adapter(role: str, config: Config) -> ComponentPlan:
    """The plan of its graph.

    Args:
        role: Its directory in the bundle.
        config: Its config.
    """
    factor = config.get("downscale_factor", 8)
    grey = config.get("in_channels", 3) == 1

    def forward(module: torch.nn.Module, image: torch.Tensor) -> Outputs:
        if grey:
            red, green, blue = (image[:, channel : channel + 1] * weight for channel, weight in enumerate(_GREY))
            image = red + green + blue
        out: Outputs = tuple(module(image))
        return out

    return ComponentPlan(
        role=role,
        origin=T2I_ADAPTER,
        build=T2IAdapter.from_config,
        forward=forward,
        inputs=(GraphInput("image", torch.float32, (1, 3, "height", "width"), positive=True),),
        outputs=given_features(_features(config)),
        traced={"height": 5 * factor, "width": 7 * factor},
        checked={"height": 6 * factor, "width": 3 * factor},
    )
