"""Masks: read from pictures of all kinds, refused where they cannot be meant, and made small as diffusers does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.errors import ImageError, SettingError
from edgediff_runtimes.masks import at_sample_size, check_mask, check_small_mask, mask_to_array, read_mask
from edgediff_runtimes.recipe import Space

PICTURE = Image.new("RGB", (24, 16), "grey")
WHITE = (8, 4, 16, 12)  # left, top, right, bottom


def marked(mode="L"):
    """White in the middle of black."""
    mask = Image.new("L", PICTURE.size, "black")
    mask.paste("white", WHITE)
    return mask.convert(mode)


def transparent(mode="RGBA"):
    """Red, and transparent in the middle."""
    image = Image.new("RGBA", PICTURE.size, "red")
    image.paste((0, 0, 0, 0), WHITE)
    return image.convert(mode)


def drawn(mask):
    """Which pixels are drawn anew."""
    return mask_to_array(mask, width=24, height=16)[0, 0]


@pytest.fixture
def wanted():
    wanted = np.zeros((16, 24), np.float32)
    wanted[4:12, 8:16] = 1
    return wanted


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_white_is_drawn_anew(mode, wanted):
    np.testing.assert_array_equal(drawn(read_mask(marked(mode), PICTURE)), wanted)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_drawn_anew_where_anything_is(mode, wanted):
    np.testing.assert_array_equal(drawn(read_mask(transparent(mode), PICTURE)), wanted)


def test_the_picture_s_own_transparency_is_a_mask(wanted):
    np.testing.assert_array_equal(drawn(read_mask("alpha", transparent())), wanted)
    with pytest.raises(SettingError, match=r"`mask` is 'alpha': expected a picture with transparent parts"):
        read_mask("alpha", PICTURE)


def test_a_file_that_is_called_as_the_word_is_a_path(wanted, tmp_path, monkeypatch):
    marked().save(tmp_path / "alpha", format="PNG")
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(drawn(read_mask(tmp_path / "alpha", PICTURE)), wanted)
    np.testing.assert_array_equal(drawn(read_mask("./alpha", PICTURE)), wanted)


def test_half_of_white_is_white():
    shades = Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8))
    assert mask_to_array(shades, width=4, height=1).tolist() == [[[[0, 0, 1, 1]]]]


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(SettingError) as caught:
        read_mask(Image.new("L", (16, 24), "white"), PICTURE)
    assert caught.value.sentence == (
        "`mask` is '16x24 pixels': expected a mask of 24x16 pixels, the size of the picture"
    )


def test_a_mask_that_leaves_nothing_to_draw_is_refused():
    check_mask(marked())
    with pytest.raises(SettingError, match=r"`mask` is 'black all over': expected white where") as caught:
        check_mask(Image.new("L", (8, 8), 127))
    assert "inverted" in caught.value.hint


def test_a_mask_of_which_nothing_is_left_for_the_model_is_refused():
    dot = Image.new("L", (24, 16), "black")
    dot.putpixel((9, 9), 255)
    check_small_mask(dot, Space(4, factor=1), width=24, height=16)
    with pytest.raises(SettingError, match=r"`mask` is 'white on too few pixels'") as caught:
        check_small_mask(dot, Space(4, factor=8), width=24, height=16)
    assert "crop_mask" in caught.value.hint


def test_a_model_that_is_shown_every_pixel_takes_a_small_mask():
    dot = Image.new("L", (24, 16), "black")
    dot.putpixel((9, 9), 255)
    check_small_mask(dot, Space(16, factor=8), width=24, height=16, folded=True)
    with pytest.raises(SettingError, match="expected white that is left of it at 8x8 pixels"):
        check_small_mask(dot, Space(16, factor=8), width=8, height=8, folded=True)


def test_what_is_no_mask_is_refused(tmp_path):
    for mask in (3, tmp_path / "none.png", Image.new("I", (24, 16)), b"alpha"):
        with pytest.raises(ImageError):
            read_mask(mask, PICTURE)


def test_entries_are_the_pixels_at_their_upper_left():
    """As ``torch.nn.functional.interpolate`` with ``nearest``, also where a size is no multiple."""
    white = np.arange(6 * 10, dtype=np.float32).reshape(1, 1, 6, 10)
    np.testing.assert_array_equal(at_sample_size(white, rows=3, columns=5), white[:, :, ::2, ::2])
    np.testing.assert_array_equal(at_sample_size(white, rows=4, columns=10), white[:, :, [0, 1, 3, 4]])
