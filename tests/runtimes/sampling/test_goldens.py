"""Every class against diffusers' results, kept as whole arrays: what the parity tests compare, without torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.sampling import build_sampler

GOLDEN = Path(__file__).parents[2] / "golden" / "sampling"
sys.path.insert(0, str(GOLDEN))

from fake_network import SEED, fake_network  # noqa: E402 - found through the path

ARRAYS = dict(np.load(GOLDEN / "samplers.npz"))
CASES = json.loads(str(ARRAYS["about"]))["cases"]


@pytest.mark.parametrize("index", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_equals_golden(index: int) -> None:
    case, expected = CASES[index], ARRAYS[f"final_{index}"]
    given = {}
    if f"mask_{index}" in ARRAYS:
        given = {"original_image": ARRAYS[f"picture_{index}"], "mask": ARRAYS[f"mask_{index}"]}
    sampler = build_sampler(case["config"], case["steps"], **case["call"], **given)
    if case["strength"] is not None:
        sampler = sampler.for_strength(case["strength"])
    told = []

    def model(x, t):
        told.append(t)
        return fake_network(x, t, case["channels"])

    start = None if given else ARRAYS.get(f"picture_{index}")
    got = sampler.sample(model, ARRAYS[f"noise_{index}"], rng=noise_source(SEED), start=start)
    np.testing.assert_allclose(sampler.timesteps, ARRAYS[f"timesteps_{index}"], rtol=1e-6, atol=case["t_atol"])
    assert np.array(told).tolist() == sampler.timesteps.tolist()
    assert got.dtype == np.float32
    assert np.abs(got - expected).max() <= case["tolerance"] * np.abs(expected).max()
