"""Noise sources: torch's numbers from goldens, published CUDA numbers, per-image sources, seeds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.noise import NOISE_KINDS, image_seeds, noise_source, per_image
from edgediff_runtimes.noise.brownian import BrownianPath

GOLDEN = dict(np.load(Path(__file__).parents[2] / "golden" / "sampling" / "noise.npz"))
SEEDS = json.loads(str(GOLDEN["about"]))["seeds"]
NORMALS = sum(key.startswith("0_") for key in GOLDEN) - 2


@pytest.mark.parametrize("seed", SEEDS)
def test_torch_cpu_equals_torch_in_any_order_of_draws(seed: int) -> None:
    source = noise_source(seed)
    for i in range(NORMALS):
        expected = GOLDEN[f"{seed}_{i}"]
        got = source.standard_normal(expected.shape)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(source.uniform((4, 3)), GOLDEN[f"{seed}_{NORMALS}"])
    np.testing.assert_allclose(source.exponential((4, 3)), GOLDEN[f"{seed}_{NORMALS + 1}"], rtol=1e-6)


def test_torch_cuda_gives_the_published_numbers() -> None:
    # torch.manual_seed(0); torch.randn(8, device="cuda"), as PyTorch users and the re-implementations print it.
    expected = [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284]
    np.testing.assert_allclose(noise_source(0, "torch-cuda").standard_normal((8,)), expected, atol=5e-5)


def test_torch_cuda_fills_large_draws_without_repeats() -> None:
    big = noise_source(5, "torch-cuda").standard_normal((600_000,))
    assert len(np.unique(big)) > 0.97 * len(big)
    assert abs(float(big.std()) - 1) < 5e-3


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_draws_are_standard_and_a_copy_goes_on_from_the_same_place(kind: str) -> None:
    source = noise_source(42, kind)
    draw = source.standard_normal((200, 200))
    assert draw.dtype == np.float32
    assert abs(float(draw.mean())) < 0.02
    assert abs(float(draw.std()) - 1) < 0.02
    source.standard_normal((3,))
    twin = source.copy()
    np.testing.assert_array_equal(source.standard_normal((5,)), twin.standard_normal((5,)))
    np.testing.assert_array_equal(source.uniform((7,)), twin.uniform((7,)))
    unit = source.uniform((1000,))
    assert 0 <= float(unit.min()) <= float(unit.max()) < 1
    assert abs(float(source.exponential((20000,)).mean()) - 1) < 0.05


def test_only_the_lower_bits_seed_the_cpu_stream_and_all_bits_the_cuda_stream() -> None:
    low, high = 3, 3 + 2**32
    same = noise_source(low).standard_normal((4,)) == noise_source(high).standard_normal((4,))
    other = noise_source(low, "torch-cuda").standard_normal((4,)) != noise_source(high, "torch-cuda").standard_normal(
        (4,)
    )
    assert same.all()
    assert other.all()


def test_an_image_of_a_batch_can_be_drawn_alone() -> None:
    seeds = image_seeds(10, 3)
    batch = per_image([noise_source(seed) for seed in seeds])
    first, second = batch.standard_normal((3, 2, 4)), batch.standard_normal((3, 5))
    alone = noise_source(11)
    np.testing.assert_array_equal(first[1:2], alone.standard_normal((1, 2, 4)))
    np.testing.assert_array_equal(second[1:2], alone.standard_normal((1, 5)))
    assert batch.seeds == (10, 11, 12)


def test_seeds_go_round() -> None:
    assert image_seeds(2**64 - 1, 3) == (2**64 - 1, 0, 1)


@pytest.mark.parametrize("seed", [-(2**63) - 1, 2**64, 1.5, "7", True, None])
def test_a_bad_seed_is_refused(seed) -> None:
    with pytest.raises(SettingError, match="seed"):
        noise_source(seed)


def test_bad_kind_and_bad_batch_are_refused() -> None:
    with pytest.raises(SettingError, match="torch-cpu, torch-cuda, numpy"):
        noise_source(0, "mt19937")
    with pytest.raises(SettingError, match="batch of 1"):
        per_image([noise_source(0)]).standard_normal((2, 3))
    with pytest.raises(SettingError, match="sources"):
        per_image([])


def test_a_brownian_path_is_one_path() -> None:
    path = BrownianPath(0.1, 10.0, (40, 50), (7,))
    whole = path.unit_increment(9.0, 2.0) * np.float32(math.sqrt(7.0))
    parts = path.unit_increment(9.0, 5.0) * np.float32(2.0) + path.unit_increment(5.0, 2.0) * np.float32(math.sqrt(3.0))
    np.testing.assert_allclose(whole, parts, atol=1e-5)
    np.testing.assert_allclose(path.unit_increment(2.0, 9.0), -path.unit_increment(9.0, 2.0), atol=1e-6)
    assert abs(float(whole.std()) / math.sqrt(7.0) - 1) < 0.05


def test_a_brownian_path_per_image() -> None:
    batch = BrownianPath(0.0, 4.0, (2, 3, 3), (1, 2)).unit_increment(3.0, 1.0)
    alone = BrownianPath(0.0, 4.0, (1, 3, 3), (2,)).unit_increment(3.0, 1.0)
    np.testing.assert_allclose(batch[1:], alone, atol=1e-6)
