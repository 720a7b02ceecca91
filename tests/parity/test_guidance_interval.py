"""Guidance in an interval of noise levels, held against diffusers' guider, whose interval counts steps."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers.guiders import ClassifierFreeGuidance

from edgediff_runtimes.running.guidance import combine, guidance_calls
from edgediff_runtimes.sampling import build_sampler

STEPS = 8


@pytest.mark.parametrize(("first", "end"), [(0, 8), (0, 5), (2, 8), (3, 6)])
def test_guidance_between_two_steps_is_diffusers(first, end):
    sampler = build_sampler({"_class_name": "DDIMScheduler"}, STEPS)
    sigmas = [*(level.nominal for level in sampler.calls), 0.0]
    settings = SimpleNamespace(guidance_interval=(sigmas[end], sigmas[first]), reuse_guidance=1)
    guider = ClassifierFreeGuidance(guidance_scale=4.0, start=first / STEPS, stop=end / STEPS)
    rng = np.random.default_rng(0)
    for step, computing in enumerate(guidance_calls(settings, sampler)):
        conditional, unconditional = rng.standard_normal((2, 1, 4, 5, 6)).astype(np.float32)
        ours = conditional if computing == "conditional" else combine(unconditional, conditional, scales=(4.0,))
        guider.set_state(step=step, num_inference_steps=STEPS, timestep=torch.tensor(0))
        theirs = guider.forward(torch.from_numpy(conditional), torch.from_numpy(unconditional)).pred.numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
