"""Edges of shapes whose edges are known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.preprocessors import PREPROCESSORS, canny


def edges(levels, **options):
    return np.asarray(canny(Image.fromarray(levels.astype(np.uint8)).convert("RGB"), **options))[..., 0] > 0


def step(height=24, width=30, at=13, low=20, high=220):
    levels = np.full((height, width), low, np.float32)
    levels[:, at:] = high
    return levels


def test_a_step_is_one_line_of_one_pixel():
    found = edges(step())
    assert found.sum(axis=1).tolist() == [1] * 24
    assert {*np.nonzero(found)[1]} <= {12, 13}
    across = edges(step().T)
    np.testing.assert_array_equal(found.T, across)


def test_a_slope_of_45_degrees_is_one_connected_line():
    row, column = np.mgrid[0:40, 0:40]
    found = edges(np.where(row > column, 230, 10))
    assert (np.abs(row - column)[found] <= 1).all()
    assert found.sum() >= 38
    # Each pixel of the diagonal, or the one beside it.
    assert all(found[place, max(place - 1, 0) : place + 2].any() for place in range(1, 39))


def test_a_disc_has_one_ring():
    row, column = np.mgrid[0:64, 0:64]
    distance = np.hypot(row - 31.5, column - 31.5)
    found = edges(np.where(distance < 20, 240, 15))
    assert np.abs(distance[found] - 20).max() < 1.5
    angles = np.degrees(np.arctan2(row - 31.5, column - 31.5))[found]
    assert np.diff(np.sort(angles)).max() < 6  # no gap of more than two pixels
    assert found.sum() < 2 * np.pi * 20 * 1.2


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_even_ground_has_none(level):
    assert not edges(np.full((16, 20), level)).any()


def test_a_gentle_slope_has_none():
    assert not edges(np.tile(np.linspace(0, 255, 64), (20, 1))).any()


def test_weak_edges_count_where_they_go_on_from_strong_ones():
    """A step that fades from strong to weak is followed; the weak half alone is not found."""
    faded = np.full((60, 30), 100.0)
    faded[:, 15:] += np.linspace(150, 45, 60)[:, None]
    options = {"weak": 100, "strong": 300, "sigma": 0.0}
    assert edges(faded, **options).any(axis=1).all()
    assert not edges(faded[45:], **options).any()


def test_a_point_is_smoothed_away_and_a_line_is_not():
    point = np.zeros((30, 30))
    point[15, 15] = 120
    assert not edges(point, sigma=2.0).any()
    assert edges(point, sigma=0.0).any()
    assert edges(step(), sigma=2.0).any(axis=1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_the_smallest_pictures(size):
    picture = canny(Image.new("RGB", size, "white"))
    assert (picture.size, picture.mode) == (size, "RGB")


def test_the_names():
    assert {"canny": canny} == {**PREPROCESSORS}
