"""Every class against diffusers, in whole arrays: equal timesteps, final samples within 1e-4 of the largest value."""

from __future__ import annotations

import numpy as np
import pytest
from fake_network import SEED, fake_network
from sampler_cases import CASES
from sampler_reference import Case, first_noise, mask_of, picture, run

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler


@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_diffusers(case: Case) -> None:
    for package in case.needs():
        pytest.importorskip(package)
    timesteps, expected = run(case)
    given = {}
    if case.config["_class_name"] == "RePaintScheduler":
        given = {"original_image": picture(case.shape), "mask": mask_of(case.shape)}
    sampler = build_sampler(case.config, case.steps, **case.call, **given)
    if case.strength is not None:
        sampler = sampler.for_strength(case.strength)
    told = []

    def model(x, t):
        told.append(t)
        assert x.dtype == np.float32
        return fake_network(x, t, case.channels)

    start = picture(case.shape) if case.from_picture else None
    got = sampler.sample(model, first_noise(case.shape), rng=noise_source(SEED), start=start)
    assert sampler.timesteps.dtype == timesteps.dtype
    assert np.array(told).tolist() == sampler.timesteps.tolist()
    if np.issubdtype(timesteps.dtype, np.integer):
        assert sampler.timesteps.tolist() == timesteps.tolist()
    else:
        # PyTorch's float32 sqrt and log are not correctly rounded everywhere: fractional timesteps to their last bits.
        np.testing.assert_allclose(sampler.timesteps, timesteps, rtol=1e-6, atol=case.t_atol)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= case.tolerance * np.abs(expected).max()
