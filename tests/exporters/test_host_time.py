"""Sines and cosines outside of a graph are those that the network computes inside."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from edgediff_exporters.host_time import sinusoids_of, told_from_outside, with_sines_outside
from edgediff_exporters.opening import open_model
from edgediff_exporters.reference import run_reference
from edgediff_runtimes.parts.times import time_sinusoid
from edgediff_runtimes.parts.values import Value
from edgediff_runtimes.recipe.declarations import Graph, TimeSinusoid

TIME = {"timestep": "t_rows"}
VARIANTS = {
    "flux": {"variant": "-dev"},
    "hunyuan_dit": {"variant": "-1.1"},
    "pixart": {"variant": "-alpha"},
    "stable_diffusion_3": {"variant": "-3.5"},
}
# By the case of the parity tests: the inputs whose sines and cosines are known, and the values that feed them.
KNOWN = {
    "aura_flow": {"timestep": "time"},
    "consistency_models": {"timestep": "t"},
    "ddpm": {"timestep": "t"},
    "dit": {"timestep": "t"},
    "flux": {"timestep": "time", "guidance": "scale"},
    "flux2_klein": {"timestep": "time"},
    "hunyuan_dit": {"timestep": "t_rows", "image_meta_size": "sizes"},
    "kolors": {"timestep": "t", "time_ids": "sizes"},
    "ldm_super_resolution": {"timestep": "t"},
    "lumina2": {"timestep": "time"},
    "pixart": TIME,
    "qwen_image": {"timestep": "time"},
    "sana": {"timestep": "time"},
    "stable_diffusion_3": TIME,
    "stable_diffusion_upscale": {"timestep": "t"},
    "stable_diffusion_xl": {"timestep": "t", "time_ids": "sizes"},
}


def made(part, numbers):
    context = SimpleNamespace(values={part.name: Value(numbers.numpy().astype(np.float64))})
    return torch.from_numpy(time_sinusoid(part, context)[part.to].array)


@pytest.mark.parametrize("case", KNOWN)
def test_a_network_answers_alike(small, case):
    inside = open_model(small(case, **VARIANTS.get(case, {})), config=None)
    outside = told_from_outside(inside)
    role = inside.recipe.network.role
    [plan], [told] = ([plan for plan in one.plans if plan.role == role] for one in (inside, outside))
    config = inside.source.config(plan.origin)
    sinusoids = sinusoids_of(plan, config)
    fed = {part.role: part.feeds for part in inside.recipe.first.network if isinstance(part, Graph)}[role]
    assert {name: fed[name] for name in sinusoids} == KNOWN[case]
    parts = {part.to: part for part in outside.recipe.first.network if isinstance(part, TimeSinusoid)}
    feeds = outside.recipe.network.feeds
    assert (outside.recipe.network.time, outside.recipe.network.sinusoid) == ("timestep", parts[feeds["timestep"]])

    generator = torch.Generator().manual_seed(1)
    numbers = [item.draw(plan.checked, generator) for item in plan.inputs]
    sines = []
    for item, tensor in zip(told.inputs, numbers, strict=True):
        part = parts.get(feeds[item.name])
        sines.append(tensor if part is None else made(part, tensor))
        assert sines[-1].shape == item.sizes(plan.checked)
    weights = inside.source.weights(plan.origin).renamed(plan.rename)
    (expected,) = run_reference(plan, config, weights, [numbers])
    (got,) = run_reference(told, config, weights, [sines])
    torch.testing.assert_close(got[0], expected[0], rtol=1e-3, atol=1e-3 * float(expected[0].abs().max()))


def test_numbers_that_something_else_reads_spoil_the_outputs(small):
    opened = open_model(small("stable_diffusion_3", **VARIANTS["stable_diffusion_3"]), config=None)
    [plan] = [plan for plan in opened.plans if plan.role == "transformer"]
    config = opened.source.config("transformer")

    def also_added(module, *tensors):
        (out,) = plan.forward(module, *tensors)
        return (out + tensors[3][:, None, None, None],)

    told = with_sines_outside(replace(plan, forward=also_added), sinusoids_of(plan, config))
    feeds = [item.draw(plan.checked, torch.Generator().manual_seed(1)) for item in told.inputs]
    weights = opened.source.weights("transformer")
    [(out,)] = run_reference(told, config, weights, [feeds])
    assert out.isnan().all()


def test_what_is_not_known_stays_inside(small):
    inside = open_model(small("z_image"), config=None)
    outside = told_from_outside(inside)
    assert (outside.recipe, outside.plans) == (inside.recipe, inside.plans)
