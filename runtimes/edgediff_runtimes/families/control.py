"""Components beside a network that are steered by a picture of the caller's: how a recipe grows by them.

``ControlNet``: Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models": a copy of the
network's encoder, asked before the network at every call; what it gives is added to what the network's own encoder
hands to its decoder, or to what the blocks of a transformer leave. With several the sums are added, in their order, as
in diffusers' MultiControlNetModel.

``T2IAdapter``: Mou et al. 2023, "T2I-Adapter": asked once; its features are added inside the network's encoder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from edgediff_runtimes.recipe.declarations import Control, ControlScale, Graph, Sum
from edgediff_runtimes.recipe.part import Part
from edgediff_runtimes.recipe.recipe import Recipe, Stage

CONTROLNET = "controlnet"
T2I_ADAPTER = "t2i_adapter"
_FEATURES = "features"  # of all T2I-Adapters together
CONDITION, WEIGHT = "controlnet_cond", "conditioning_scale"  # a ControlNet's inputs for the picture
# What a U-Net is told beside the sample, by its inputs: a ControlNet is told the same.
_SHARED = ("timestep", "encoder_hidden_states", "text_embeds", "time_ids")


def given_residuals(skips: int) -> tuple[str, ...]:
    """What a ControlNet gives, in the order of the network's encoder; the middle's last.

    Args:
        skips: How many arrays go past the middle of the network.
    """
    return (*(f"down_block_res_sample_{index}" for index in range(skips)), "mid_block_res_sample")


def taken_residuals(skips: int) -> tuple[str, ...]:
    """What the network takes for them, in that order."""
    added = (f"down_block_additional_residual_{index}" for index in range(skips))
    return (*added, "mid_block_additional_residual")


def with_controlnet(recipe: Recipe, role: str, *, skips: int) -> Recipe:
    """The recipe with one ControlNet more, behind those that it has.

    Args:
        recipe: Of a model with a U-Net.
        role: Of the new component.
        skips: How many arrays go past the middle of the network.
    """
    network = network_of(recipe.first)
    feeds = {"sample": "x", **{name: network.feeds[name] for name in _SHARED if name in network.feeds}}
    taken = dict(zip(taken_residuals(skips), given_residuals(skips), strict=True))
    return with_control(recipe, role, feeds=feeds, taken=taken)


def with_control(
    recipe: Recipe, role: str, *, feeds: Mapping[str, str], taken: Mapping[str, str], encoding: tuple[Part, ...] = ()
) -> Recipe:
    """The recipe with one more component that is asked before the network at every call, behind those that it has.

    Args:
        recipe: The recipe.
        role: Of the new component.
        feeds: The value that each of its inputs is fed, but for those of the picture and its weight.
        taken: For each input of the network that takes what it gives: which of its outputs.
        encoding: What makes ``ROLE.condition`` of ``ROLE.picture``, once; empty: it is the picture itself.
    """
    first, *others = recipe.stages
    place = first.network.index(network_of(first))
    before, network, after = first.network[:place], network_of(first), first.network[place + 1 :]
    picture, scale = f"{role}.picture", f"{role}.scale"
    feeds = {**feeds, CONDITION: f"{role}.condition" if encoding else picture, WEIGHT: scale}
    index = sum(isinstance(part, Control) for part in first.given)
    given, sums = dict(network.feeds), dict[tuple[str, str], Sum]()
    for name, output in taken.items():
        own = f"{role}.{output}"
        if name in given:  # of the components before
            pair = given[name], own
            sums.setdefault(pair, Sum(pair, f"{own}.sum.{len(sums)}"))
            own = sums[pair].to
        given[name] = own
    outputs = {name: f"{role}.{name}" for name in dict.fromkeys(taken.values())}
    added = (ControlScale(index, scale), Graph(role, feeds, outputs, when=scale))
    stage = replace(
        first,
        given=(*first.given, Control(index, picture, signed=bool(encoding))),
        tasks={task: (*encoding, *parts) for task, parts in first.tasks.items()} if encoding else first.tasks,
        network=(*before, *added, *sums.values(), replace(network, feeds=given), *after),
    )
    return Recipe((stage, *others))


def given_features(count: int) -> tuple[str, ...]:
    """What a T2I-Adapter gives, in the order of the network's encoder."""
    return tuple(f"feature_{index}" for index in range(count))


def taken_features(count: int) -> tuple[str, ...]:
    """What the network takes for them, in that order."""
    return tuple(f"down_intrablock_additional_residual_{index}" for index in range(count))


def with_t2i_adapter(recipe: Recipe, role: str, *, features: int, multiple: int) -> Recipe:
    """The recipe with one T2I-Adapter more, behind those that it has.

    Args:
        recipe: Of a model with a U-Net.
        role: Of the new component.
        features: How many arrays it gives.
        multiple: Of what number of pixels its picture's sides are.
    """
    first, *others = recipe.stages
    place = first.network.index(network_of(first))
    before, network, after = first.network[:place], network_of(first), first.network[place + 1 :]
    picture, gives = f"{role}.picture", given_features(features)
    index = sum(isinstance(part, Control) for part in first.given)
    roles = (*t2i_adapters(recipe), role)
    weights = tuple(f"{one}.scale" for one in roles)
    sums = [Sum(tuple(f"{one}.{name}" for one in roles), f"{_FEATURES}.{name}", weights) for name in gives]
    taken = dict(zip(taken_features(features), (f"{_FEATURES}.{name}" for name in gives), strict=True))
    before = tuple(part for part in before if not (isinstance(part, Sum) and part.to.startswith(f"{_FEATURES}.")))
    added = (
        Control(index, picture),
        Graph(role, {"image": picture}, {name: f"{role}.{name}" for name in gives}, when=picture),
    )
    space = replace(first.space, multiple=math.lcm(first.space.multiple or first.space.factor, multiple))
    stage = replace(
        first,
        space=first.space if space.multiple == first.space.factor else space,
        given=(*first.given, *added),
        network=(
            *before,
            ControlScale(index, f"{role}.scale"),
            *sums,
            replace(network, feeds={**network.feeds, **taken}),
            *after,
        ),
    )
    return Recipe((stage, *others))


def t2i_adapters(recipe: Recipe) -> tuple[str, ...]:
    """The T2I-Adapters that a recipe has."""
    parts = recipe.first.given
    return tuple(part.role for part in parts if isinstance(part, Graph) and given_features(1)[0] in part.takes)


def network_of(stage: Stage) -> Graph:
    """The graph that a stage's sampler asks: the last of its network parts."""
    return [part for part in stage.network if isinstance(part, Graph)][-1]


def controlnets(recipe: Recipe) -> tuple[str, ...]:
    """The ControlNets that a recipe has."""
    parts = recipe.first.network
    return tuple(part.role for part in parts if isinstance(part, Graph) and CONDITION in part.feeds)
