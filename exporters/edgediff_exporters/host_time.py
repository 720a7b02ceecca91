"""Sines and cosines of numbers outside of a graph: of large angles they are what small devices compute worst.

Networks of diffusers compute them of their time step, and some of sizes or of a guidance scale, in a ``Timesteps``.
Where a component's plan names it, the recipe's part ``time_sinusoid`` makes them, and the component is given them in
place of the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

import torch
from diffusers.models.embeddings import Timesteps

from edgediff_exporters.families.base import ComponentPlan, Config, GraphInput, Outputs, Sines
from edgediff_exporters.opening import OpenedModel
from edgediff_exporters.tracing import empty_module
from edgediff_runtimes.recipe import Recipe
from edgediff_runtimes.recipe.declarations import Graph, TimeSinusoid
from edgediff_runtimes.recipe.part import Part

_Compute: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
# By the name of the input, which is also what each of them reads and writes.
Sinusoids: TypeAlias = Mapping[str, TimeSinusoid]


def told_from_outside(opened: OpenedModel) -> OpenedModel:
    """The model, with the sines and cosines of every network whose plan names them computed by the recipe."""
    found = {plan.role: sinusoids_of(plan, opened.source.config(plan.origin)) for plan in opened.plans}
    plans = tuple(with_sines_outside(plan, found[plan.role]) if found[plan.role] else plan for plan in opened.plans)
    return replace(opened, recipe=fed_sines(opened.recipe, found), plans=plans)


def sinusoids_of(plan: ComponentPlan, config: Config) -> Sinusoids:
    """The sines and cosines that a component computes inside and need not."""
    if not plan.sines:
        return {}
    there = {item.name for item in plan.inputs}
    return {
        name: TimeSinusoid(
            name,
            name,
            part.num_channels,
            cosine_first=part.flip_sin_to_cos,
            shift=float(part.downscale_freq_shift),
            scale=float(part.scale) * one.factor,
        )
        for part, one in _made_by(empty_module(plan, config), plan.sines)
        for name in one.inputs
        if name in there
    }


def with_sines_outside(plan: ComponentPlan, sinusoids: Sinusoids) -> ComponentPlan:
    """The component, given sines and cosines, ``(rows, numbers of a row * dim)``, in place of the numbers."""
    forward, old = plan.forward, plan.inputs

    def told(module: torch.nn.Module, *tensors: torch.Tensor) -> Outputs:
        sines, given = {}, list(tensors)
        for place, item in enumerate(old):
            if item.name in sinusoids:
                answer, numbers = tensors[place], _per_row(item)
                sines[item.name] = answer.reshape(-1, sinusoids[item.name].dim) if numbers else answer
                rows = item.shape[0] if isinstance(item.shape[0], int) else answer.shape[0]
                # Should anything else read the numbers, the outputs are NaN, and no export gets by.
                given[place] = torch.full((rows, *numbers), torch.nan, dtype=item.dtype)
        with _answered(module, plan.sines, sines):
            return forward(module, *given)

    inputs = []
    for item in old:
        if (sinusoid := sinusoids.get(item.name)) is None:
            inputs.append(item)
            continue
        shape = (item.shape[0], math.prod(_per_row(item)) * sinusoid.dim)
        inputs.append(replace(item, shape=shape, scale=1.0, positive=False))
    return replace(plan, inputs=tuple(inputs), forward=told, sines=())


def fed_sines(recipe: Recipe, sinusoids: Mapping[str, Sinusoids]) -> Recipe:
    """The recipe, with the sines and cosines computed in front of each network in ``sinusoids``, by role."""
    stages = [
        replace(stage, network=tuple(one for part in stage.network for one in _fed(part, sinusoids)))
        for stage in recipe.stages
    ]
    return Recipe(tuple(stages))


def _per_row(item: GraphInput) -> tuple[int, ...]:
    return replace(item, shape=item.shape[1:]).sizes({})


def _fed(part: Part, sinusoids: Mapping[str, Sinusoids]) -> Iterator[Part]:
    if isinstance(part, Graph) and part.role in sinusoids:
        feeds = dict(part.feeds)
        for name, sinusoid in sinusoids[part.role].items():
            value, feeds[name] = feeds[name], f"{feeds[name]}_features"
            yield replace(sinusoid, name=value, to=feeds[name])
        part = replace(part, feeds=feeds)
    yield part


def _made_by(module: torch.nn.Module, sines: Sequence[Sines]) -> Iterator[tuple[Timesteps, Sines]]:
    """What makes sines and cosines in a module."""
    for name, part in module.named_modules():
        for one in sines:
            if isinstance(part, Timesteps) and f".{name}".endswith(f".{one.name}"):
                yield part, one


@contextmanager
def _answered(module: torch.nn.Module, made: Sequence[Sines], answers: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """A time in which these are the answers of what computes sines and cosines in a module."""
    parts = list(_made_by(module, made))
    for part, one in parts:
        part.forward = _in_turns(part.forward, [answers[name] for name in one.inputs if name in answers])
    try:
        yield
    finally:
        for part, _ in parts:
            del part.forward  # its class has the one of before


def _in_turns(compute: _Compute, answers: list[torch.Tensor]) -> _Compute:
    """The answers, and whatever is asked for after them, such as labels that a U-Net treats like times, computed."""
    left = iter(answers)

    def forward(numbers: torch.Tensor) -> torch.Tensor:
        answer = next(left, None)
        return compute(numbers) if answer is None else answer

    return forward
