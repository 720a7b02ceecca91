"""How noisy a picture is: what was added is found again, on a picture that has contours of its own."""

from __future__ import annotations

import numpy as np
import pytest

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.noise.estimate import noise_level_of


def _scene(height=96, width=128):
    """Shades and a few contours, within 0.3 and 0.7, so that nothing is cut off."""
    y, x = np.mgrid[0:height, 0:width]
    disc = (y - 40) ** 2 + (x - 60) ** 2 < 900
    shades = 0.3 + 0.2 * x / width + 0.2 * disc
    return np.stack([shades, shades[::-1], 0.5 + 0.1 * np.sin(y / 9)]).astype(np.float32)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.1, 0.2])
def test_the_level_is_found_to_a_twentieth(level):
    noise = noise_source(3).standard_normal((3, 96, 128))
    assert noise_level_of(_scene() + np.float32(level) * noise) == pytest.approx(level, rel=0.05)


def test_it_is_in_the_units_of_the_picture():
    noise = noise_source(3).standard_normal((3, 97, 129))  # odd sides, too
    pixels = _scene(97, 129) + np.float32(0.1) * noise
    assert noise_level_of(255 * pixels) == pytest.approx(255 * noise_level_of(pixels), rel=1e-5)


def test_a_picture_without_noise_has_almost_none():
    assert noise_level_of(_scene()) < 0.002
    assert noise_level_of(np.ones((3, 8, 8), np.float32)) == 0


def test_what_is_cut_off_is_not_found():
    """Half of the noise on white: said in the docstring, measured here."""
    noise = noise_source(3).standard_normal((3, 96, 128))
    white = np.clip(1 + np.float32(0.1) * noise, 0, 1)
    assert 0.03 < noise_level_of(white) < 0.08
