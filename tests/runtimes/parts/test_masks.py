"""The mask as a network sees it: small, or folded; and the picture without what is drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.parts import run_part
from edgediff_runtimes.recipe.declarations import Mask, Picture


@pytest.fixture
def pictures():
    y, x = np.mgrid[0:48, 0:40]
    image = Image.fromarray(np.stack([x * 6, y * 5, x + y], axis=-1).astype(np.uint8))
    mask = np.where((x > 11) & (x < 30) & (y > 8) & (y < 27), 200, 100).astype(np.uint8)
    return {"image": image, "mask": Image.fromarray(mask)}


@pytest.fixture
def whole():
    y, x = np.mgrid[0:48, 0:40]
    return ((x > 11) & (x < 30) & (y > 8) & (y < 27)).astype(np.float32)


def test_an_entry_is_the_pixel_at_its_upper_left(context, pictures, whole):
    made = context(pictures=pictures, images_per_prompt=2)
    run_part(Mask("mask", "unknown"), made)
    got = made.values["unknown"]
    np.testing.assert_array_equal(got.array, np.broadcast_to(whole[::8, ::8], (2, 1, 6, 5)))
    assert (got.array.dtype, got.rows) == (np.float32, "pictures")


def test_the_picture_without_what_is_drawn_anew(context, pictures, whole):
    made = context(pictures=pictures)
    run_part(Picture("image", "pixels"), made)
    run_part(Mask("mask", "unknown", "pixels", "masked"), made)
    np.testing.assert_array_equal(made.array("masked"), made.array("pixels") * (1 - whole))
    assert np.abs(made.array("masked")).max() > 0.5


def test_all_pixels_of_an_entry_as_its_channels(context, pictures, whole):
    made = context(pictures=pictures)
    run_part(Mask("mask", "unknown", folded=True), made)
    got = made.array("unknown")
    assert got.shape == (1, 64, 6, 5)
    for row, column in ((0, 0), (3, 5), (7, 7)):
        np.testing.assert_array_equal(got[0, row * 8 + column], whole[row::8, column::8])
