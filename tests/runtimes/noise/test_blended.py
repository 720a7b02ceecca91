"""Noise between two seeds: an arc whose ends are the seeds themselves, and variance 1 on the way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.noise import NOISE_KINDS, between, noise_source, per_image, slerp

SHAPE = (1, 4, 64, 64)
SHARES = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]


def _draw(seed, kind="torch-cpu"):
    return noise_source(seed, kind).standard_normal(SHAPE)


@pytest.mark.parametrize("share", SHARES)
def test_variance_stays_one(share):
    """A standard error of the variance of 16,384 normals is 0.011; half of the sum would have 0.5."""
    mixed = slerp(_draw(3), _draw(4), share)
    assert mixed.dtype == np.float32
    assert abs(float(mixed.var()) - 1) < 0.05
    assert abs(float(mixed.mean())) < 0.05


def test_the_ends_are_the_arrays_themselves():
    first, second = _draw(3), _draw(4)
    assert np.array_equal(slerp(first, second, 0.0), first)
    assert np.array_equal(slerp(first, second, 1.0), second)


@pytest.mark.parametrize("share", SHARES)
def test_from_the_other_end_it_is_the_same_arc(share):
    first, second = _draw(3), _draw(4)
    np.testing.assert_allclose(slerp(first, second, share), slerp(second, first, 1 - share), atol=1e-6)


def test_equal_shares_are_equal_angles():
    first, second = (array / np.linalg.norm(array) for array in (_draw(3), _draw(4)))
    points = [slerp(first, second, share).ravel().astype(np.float64) for share in (0, 0.25, 0.5, 0.75, 1)]
    angles = [np.arccos(one @ other) for one, other in itertools.pairwise(points)]
    np.testing.assert_allclose(angles, angles[0], rtol=1e-4)
    np.testing.assert_allclose([np.linalg.norm(point) for point in points], 1, rtol=1e-6)


@pytest.mark.parametrize("share", SHARES)
def test_between_one_seed_and_itself_there_is_that_seed(share):
    np.testing.assert_allclose(slerp(_draw(3), _draw(3), share), _draw(3), atol=1e-6)
    assert np.array_equal(slerp(np.zeros(3, np.float32), np.zeros(3, np.float32), share), np.zeros(3))


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_every_draw_lies_between(kind):
    """Also the second one and those after it, of which stochastic samplers take some at every step."""
    source = between(noise_source(3, kind), noise_source(4, kind), 0.3)
    first, second = noise_source(3, kind), noise_source(4, kind)
    copied = None
    for _ in range(3):
        copied = source.copy()
        expected = slerp(first.standard_normal(SHAPE), second.standard_normal(SHAPE), 0.3)
        assert np.array_equal(source.standard_normal(SHAPE), expected)
        assert np.array_equal(copied.standard_normal(SHAPE), expected)


def test_at_the_ends_it_is_the_source_itself():
    first, second = noise_source(3), noise_source(4)
    assert between(first, second, 0.0) is first
    assert between(first, second, 1.0) is second


def test_a_batch_is_its_pictures_one_by_one():
    pairs = [(3, 9), (4, 10)]
    sources = [between(noise_source(one), noise_source(other), 0.5) for one, other in pairs]
    batch = per_image(sources).standard_normal((2, *SHAPE[1:]))
    for row, (one, other) in zip(batch, pairs, strict=True):
        assert np.array_equal(row, slerp(_draw(one), _draw(other), 0.5)[0])


def test_numbers_that_are_no_normals_are_refused():
    source = between(noise_source(3), noise_source(4), 0.5)
    assert source.seeds == (3,)
    for draw in (source.uniform, source.exponential):
        with pytest.raises(SettingError, match="expected 0 or 1, because this sampler draws 6 numbers that are no"):
            draw((1, 6))
