"""Pictures that are made larger, cut to their masks, and put together again: what is known comes back untouched."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgediff_runtimes.canvas import Canvas, extended_size, filled


def picture(width=40, height=30):
    """Every pixel is another one."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([x * 5, y * 7, (x + y) * 3], axis=-1).astype(np.uint8))


def mask(*box, size=(40, 30)):
    made = Image.new("L", size, "black")
    made.paste("white", box)
    return made


def canvas(image=None, marked=None, **changes):
    asked = {"extend": {}, "multiple": 8, "blur": 0.0, "exact": False, **changes}
    return Canvas.of(image or picture(), marked or mask(8, 8, 20, 16), **asked)


def pixels(image):
    return np.asarray(image.convert("RGB"), np.int16)


BLUE = (0, 0, 255)


def test_a_picture_as_it_is():
    made = canvas()
    assert made.given["image"] == picture()
    drawn = Image.new("RGB", (40, 24), BLUE)  # of the size that the model draws
    assert made.finished(drawn) is drawn


def test_known_pixels_come_back_untouched():
    result = canvas(exact=True).finished(Image.new("RGB", (40, 24), BLUE))
    assert result.size == (40, 30)
    inside = pixels(mask(8, 8, 20, 16))[..., 0] > 0
    np.testing.assert_array_equal(pixels(result)[~inside], pixels(picture())[~inside])
    assert (pixels(result)[inside] == BLUE).all()


def test_a_blurred_mask_blends_along_its_edge_and_nowhere_else():
    result = pixels(canvas(exact=True, blur=2.0).finished(Image.new("RGB", (40, 30), BLUE)))
    known = pixels(picture())
    np.testing.assert_array_equal(result[:, 30:], known[:, 30:])
    row = np.abs(result[12] - known[12]).sum(axis=-1) / np.maximum(np.abs(np.array(BLUE) - known[12]).sum(axis=-1), 1)
    assert (np.diff(row[2:12]) >= -0.02).all()  # rises towards the middle
    assert 0.3 < row[8] < 0.7


@pytest.mark.parametrize(
    ("extend", "size"),
    [
        ({"left": 10}, (56, 32)),  # 50 and 30
        ({"left": 8, "right": 16}, (64, 32)),
        ({"top": 2}, (40, 32)),
        ({"left": 24, "bottom": 34}, (64, 64)),
    ],
)
def test_a_larger_canvas_is_a_multiple_and_the_result_what_was_asked_for(extend, size):
    made = canvas(extend=extend, exact=True)
    assert made.image.size == size == extended_size((40, 30), extend, multiple=8)
    assert made.mask.size == size
    result = made.finished(Image.new("RGB", size, BLUE))
    left, top = extend.get("left", 0), extend.get("top", 0)
    assert result.size == (40 + left + extend.get("right", 0), 30 + top + extend.get("bottom", 0))
    inside = mask(8, 8, 20, 16)
    back = result.crop((left, top, left + 40, top + 30))
    known = pixels(inside)[..., 0] == 0
    np.testing.assert_array_equal(pixels(back)[known], pixels(picture())[known])
    around = Image.new("L", result.size, "white")
    around.paste("black", (left, top, left + 40, top + 30))
    assert (pixels(result)[pixels(around)[..., 0] > 0] == BLUE).all()


def test_what_is_new_continues_what_is_there():
    made = canvas(Image.new("RGB", (40, 30), (200, 100, 50)), extend={"left": 24, "bottom": 18})
    np.testing.assert_array_equal(pixels(made.image), np.broadcast_to((200, 100, 50), pixels(made.image).shape))
    left = pixels(canvas(extend={"left": 24}).image)[:30, 15:25]  # up to the border and across it
    assert np.abs(np.diff(left, axis=1)).max() <= 40  # of up to 255


def test_a_picture_of_which_nothing_is_known_is_filled_all_the_same():
    assert filled(picture(7, 5), Image.new("L", (7, 5), "white")).size == (7, 5)
    one = mask(0, 0, 40, 30)
    one.putpixel((20, 15), 0)
    np.testing.assert_array_equal(pixels(filled(picture(), one)), np.full((30, 40, 3), picture().getpixel((20, 15))))


def test_what_is_new_is_not_blended_with_what_it_was_filled_with():
    result = pixels(canvas(extend={"left": 24}, exact=True, blur=3.0).finished(Image.new("RGB", (64, 32), BLUE)))
    assert (result[:, :24] == BLUE).all()
    np.testing.assert_array_equal(result[:8, 60:], pixels(picture())[:8, 36:])


def test_what_is_transparent_shows_nothing_of_its_colours():
    hole = mask(8, 8, 20, 16)
    image = Image.new("RGB", (40, 30), (200, 100, 50))
    image.paste("white", mask=hole)
    made = canvas(image, hole, exact=True, blur=2.0, transparent=True)
    assert (pixels(made.image) == (200, 100, 50)).all()
    result = pixels(made.finished(Image.new("RGB", (40, 30), BLUE)))
    assert (result[8:16, 8:20] == BLUE).all()


def test_the_larger_part_is_drawn_and_what_the_mask_says():
    made = canvas(extend={"left": 8})
    assert np.asarray(made.mask)[:30, :8].min() == 255
    np.testing.assert_array_equal(np.asarray(made.mask)[:30, 8:48], np.asarray(mask(8, 8, 20, 16)))


def test_a_cut_is_around_the_mask_in_the_shape_of_the_run():
    made = canvas().cropped(64, 64, padding=2)
    assert made.box == (6, 4, 22, 20)  # 16 by 12 with its padding, made 16 by 16
    assert {image.size for image in made.given.values()} == {(64, 64)}
    assert made.exact
    result = made.finished(Image.new("RGB", (64, 64), BLUE))
    inside = pixels(mask(8, 8, 20, 16))[..., 0] > 0
    np.testing.assert_array_equal(pixels(result)[~inside], pixels(picture())[~inside])
    assert (pixels(result)[inside] == BLUE).all()


@pytest.mark.parametrize("box", [(0, 0, 4, 4), (36, 26, 40, 30), (0, 0, 40, 4), (0, 0, 40, 30), (39, 0, 40, 30)])
@pytest.mark.parametrize("size", [(64, 64), (64, 16), (16, 64)])
def test_a_cut_stays_inside_of_the_picture_and_has_the_mask_in_it(box, size):
    made = canvas(marked=mask(*box)).cropped(*size, padding=3)
    left, top, right, bottom = made.box
    assert 0 <= left <= box[0] < box[2] <= right <= 40
    assert 0 <= top <= box[1] < box[3] <= bottom <= 30
    result = made.finished(Image.new("RGB", size, BLUE))
    inside = pixels(mask(*box))[..., 0] > 0
    np.testing.assert_array_equal(pixels(result)[~inside], pixels(picture())[~inside])
    assert (pixels(result)[inside] == BLUE).all()
