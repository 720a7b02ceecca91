"""Time steps outside of a U-Net's graph: sines of large numbers are what small devices compute worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from edgediff_exporters.families.base import ComponentPlan, Config, Outputs
from edgediff_exporters.opening import OpenedModel
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Graph, TimeSinusoid
from edgediff_runtimes.recipe.part import Part

_TIME = "timestep"
_CLASSES = ("UNet2DConditionModel",)
_FEATURES = "t_features"


def told_from_outside(opened: OpenedModel) -> OpenedModel:
    """The model, with the sines and cosines of every network that is known here computed by the recipe."""
    configs = {plan.role: opened.source.config(plan.origin) for plan in opened.plans}
    inside = {plan.role: configs[plan.role] for plan in opened.plans if has_time_inside(plan, configs[plan.role])}
    plans = tuple(with_time_outside(plan, inside[plan.role]) if plan.role in inside else plan for plan in opened.plans)
    return replace(opened, recipe=fed_outside(opened.recipe, inside), plans=plans)


def has_time_inside(plan: ComponentPlan, config: Config) -> bool:
    """Whether a component computes sines and cosines of its time step in a way that is known here."""
    known = config.get("_class_name") in _CLASSES and config.get("time_embedding_type", "positional") == "positional"
    # Such a class label goes through the same sines.
    alone = config.get("class_embed_type") != "timestep"
    # Two axes: sines and cosines, which the component is given already.
    return known and alone and any(item.name == _TIME and len(item.shape) == 1 for item in plan.inputs)


def with_time_outside(plan: ComponentPlan, config: Config) -> ComponentPlan:
    """The component, given sines and cosines, ``(1, dim)``, in place of the time step."""
    dim = config["block_out_channels"][0]
    place = next(index for index, item in enumerate(plan.inputs) if item.name == _TIME)
    inputs = list(plan.inputs)
    inputs[place] = replace(inputs[place], shape=(1, dim), scale=1.0, positive=False)
    forward = plan.forward

    def told(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        sinusoid: Any = module.time_proj
        sinusoid.forward = lambda _times: tensors[place]
        # The module looks at the time step only to hand it on.
        given = [torch.zeros(1) if index == place else tensor for index, tensor in enumerate(tensors)]
        try:
            return forward(module, *given)
        finally:
            del sinusoid.forward  # its class has the one of before

    return replace(plan, inputs=tuple(inputs), forward=told)


def fed_outside(recipe: Recipe, configs: Mapping[str, Config]) -> Recipe:
    """The recipe, with the sines and cosines computed in front of each network in ``configs``, by role."""
    stages = [
        replace(stage, network=tuple(one for part in stage.network for one in _fed(part, configs)))
        for stage in recipe.stages
    ]
    return Recipe(tuple(stages))


def _fed(part: Part, configs: Mapping[str, Config]) -> tuple[Part, ...]:
    if not isinstance(part, Graph) or part.role not in configs:
        return (part,)
    config = configs[part.role]
    sinusoid = TimeSinusoid(
        part.feeds[_TIME],
        _FEATURES,
        config["block_out_channels"][0],
        cosine_first=config.get("flip_sin_to_cos", True),
        shift=float(config.get("freq_shift", 0)),
    )
    return sinusoid, replace(part, feeds={**part.feeds, _TIME: _FEATURES})
