"""A small picture with noise, as networks for super-resolution are shown it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.noise import noise_source
from edgediff_runtimes.parts import run_part
from edgediff_runtimes.recipe.declarations import Noise, Noised, Picture

SIGNAL = (1.0, 0.75, 0.5)
NOISED = Noised("small", "noise", "shown", "level", "noise_level", 1, SIGNAL)


@pytest.mark.parametrize("level", [0, 2])
def test_signal_and_noise_are_mixed_by_the_level(context, level):
    small, noise = np.ones((1, 3, 4, 6), np.float32), np.full((2, 3, 4, 6), 2, np.float32)
    made = context(values={"small": small, "noise": noise}, images_per_prompt=2, choices={"noise_level": level})
    run_part(NOISED, made)
    expected = np.sqrt(SIGNAL[level]) + 2 * np.sqrt(1 - SIGNAL[level])
    np.testing.assert_allclose(made.array("shown"), np.full((2, 3, 4, 6), expected), rtol=1e-6)
    assert made.values["level"].array.tolist() == [level]
    assert (made.values["level"].array.dtype, made.values["level"].rows) == (np.int64, "texts")


def test_noise_may_have_the_shape_of_another_value(context):
    made = context(values={"small": np.zeros((1, 3, 4, 6), np.float32)}, images_per_prompt=2)
    run_part(Noise("small_noise", "small"), made)
    assert made.array("small_noise").shape == (2, 3, 4, 6)
    assert made.values["small_noise"].rows == "pictures"
    np.testing.assert_array_equal(made.array("small_noise")[:1], noise_source(3).standard_normal((1, 3, 4, 6)))


@pytest.mark.parametrize("name", ["lanczos", "bicubic"])
def test_a_picture_may_be_smaller_than_the_run(context, name):
    picture = Image.radial_gradient("L").convert("RGB")
    made = context(pictures={"image": picture}, width=40, height=48)
    run_part(Picture("image", "small", factor=4, filter=name), made)
    expected = np.asarray(picture.resize((10, 12), Image.Resampling[name.upper()]), np.float32)
    np.testing.assert_allclose(made.array("small")[0].transpose(1, 2, 0), expected / 127.5 - 1, rtol=0, atol=1e-6)
