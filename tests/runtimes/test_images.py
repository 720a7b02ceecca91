"""Pictures: read, written whole or not at all, with their settings."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageFile

from edgediff_runtimes.errors import ImageError
from edgediff_runtimes.images import FORMATS, array_to_image, image_to_array, read_image
from edgediff_runtimes.picture_files import read_metadata


@pytest.fixture
def picture():
    pixels = np.arange(24 * 16 * 3, dtype=np.uint32).reshape(16, 24, 3) * 7 % 256
    return Image.fromarray(pixels.astype(np.uint8))


def test_every_pixel_value_survives_the_way_to_the_network_and_back():
    pixels = np.arange(256 * 3, dtype=np.uint32).reshape(16, 16, 3) % 256
    image = Image.fromarray(pixels.astype(np.uint8))
    array = image_to_array(image, width=16, height=16)
    assert array.shape == (1, 3, 16, 16)
    assert array.dtype == np.float32
    assert (array.min(), array.max()) == (-1, 1)
    np.testing.assert_array_equal(np.asarray(array_to_image(array[0])), pixels)


def test_channels_rows_and_columns_keep_their_places():
    image = Image.new("RGB", (8, 4))
    image.putpixel((6, 1), (255, 0, 128))
    array = image_to_array(image, width=8, height=4)[0]
    np.testing.assert_allclose(array[:, 1, 6], [1, -1, 2 * 128 / 255 - 1], atol=1e-6)
    assert (array[:, 0, 0] == -1).all()


def test_resizing_takes_width_and_height(picture):
    assert image_to_array(picture, width=40, height=8).shape == (1, 3, 8, 40)


def test_values_outside_are_clipped():
    array = np.array([-3.0, 0.0, 3.0], np.float32).reshape(3, 1, 1)
    assert array_to_image(array).getpixel((0, 0)) == (0, 128, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(tmp_path, mode):
    path = tmp_path / "clear.png"
    if mode == "P":
        image = Image.new("P", (2, 1), 0)
        image.putpalette([255, 0, 0, 0, 0, 0])
        image.putpixel((1, 0), 1)
        image.save(path, transparency=0)
    else:
        image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
        image.putpixel((1, 0), (0, 0, 0, 255))
        image.convert(mode).save(path)
    got = read_image(path)
    assert got.mode == "RGB"
    assert [got.getpixel((0, 0)), got.getpixel((1, 0))] == [(255, 255, 255), (0, 0, 0)]


def test_half_transparent_is_half_white():
    assert read_image(Image.new("RGBA", (1, 1), (0, 0, 0, 128))).getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("mode", ["1", "L", "CMYK", "YCbCr", "HSV"])
def test_other_modes_become_rgb(mode):
    assert read_image(Image.new(mode, (3, 2))).mode == "RGB"


@pytest.mark.parametrize("opened", [False, True], ids=["path", "image"])
def test_a_photo_is_turned_upright(tmp_path, opened):
    image = Image.new("RGB", (16, 8), "white")
    image.paste("black", (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn clockwise
    image.save(tmp_path / "photo.png", exif=exif)
    with Image.open(tmp_path / "photo.png") as file:
        upright = read_image(file if opened else tmp_path / "photo.png")
    assert upright.size == (8, 16)
    assert upright.getpixel((4, 2)) == (0, 0, 0)
    assert upright.getpixel((4, 13)) == (255, 255, 255)


def test_the_callers_image_stays_as_it_is():
    image = Image.new("RGBA", (2, 2), (1, 2, 3, 4))
    read_image(image)
    assert (image.mode, image.getpixel((0, 0))) == ("RGBA", (1, 2, 3, 4))


def test_a_missing_file(tmp_path):
    with pytest.raises(ImageError, match=r"nothing\.png` does not exist"):
        read_image(tmp_path / "nothing.png")


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"GIF89a"], ids=repr)
def test_an_unreadable_file(tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"x\.png` cannot be read: expected a picture"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_a_truncated_file(tmp_path, picture, suffix):
    path = tmp_path / f"x.{suffix}"
    picture.resize((64, 64)).save(path)
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(path)


def test_a_truncated_file_that_pillow_opened(tmp_path, picture):
    picture.resize((64, 64)).save(tmp_path / "x.png")
    os.truncate(tmp_path / "x.png", (tmp_path / "x.png").stat().st_size * 2 // 3)
    with Image.open(tmp_path / "x.png") as opened, pytest.raises(ImageError, match="cannot be read"):
        read_image(opened)


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_more_than_8_bits_are_refused(tmp_path, mode):
    image = Image.new(mode, (4, 4), 300)
    with pytest.raises(ImageError, match="expected 8 bits per channel"):
        read_image(image)
    if mode == "I;16":
        image.save(tmp_path / "deep.png")
        with pytest.raises(ImageError, match=r"deep.png` has the mode `I;16`: expected 8 bits per channel"):
            read_image(tmp_path / "deep.png")


def test_a_directory(tmp_path):
    with pytest.raises(ImageError, match="cannot be read: it is a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("source", [3, b"png", np.zeros((4, 4, 3), np.uint8)], ids=["number", "bytes", "array"])
def test_what_is_no_image_at_all(source):
    with pytest.raises(ImageError, match="expected a PIL image or a path"):
        read_image(source)


def _bitmap(path, width, height):
    """The header of a BMP of that size, without its pixels."""
    header = bytearray(b"BM" + bytes(52))
    header[10], header[14], header[26], header[28] = 54, 40, 1, 24
    header[18:22], header[22:26] = width.to_bytes(4, "little"), height.to_bytes(4, "little")
    path.write_bytes(header)
    return path


@pytest.mark.parametrize("size", [(100_000, 1_000), (9_460, 9_460), (60_000, 60_000)])
@pytest.mark.parametrize("limit", [Image.MAX_IMAGE_PIXELS, None], ids=["limited", "unlimited"])
def test_the_number_of_pixels_is_looked_at_before_they_are(tmp_path, monkeypatch, size, limit):
    """Also in a program that has taken Pillow's own limit away."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # would be called to decode it
    with pytest.raises(ImageError, match="expected at most 89,478,485 pixels") as raised:
        read_image(_bitmap(tmp_path / "x.bmp", *size))
    assert "make it smaller" in raised.value.hint


def test_the_number_of_pixels_of_what_pillow_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with (
        Image.open(_bitmap(tmp_path / "x.bmp", 100_000, 1_000)) as opened,
        pytest.raises(ImageError, match="the image has 100000x1000 pixels: expected at most 89,478,485"),
    ):
        read_image(opened)


def test_as_many_pixels_as_there_may_be_are_decoded(tmp_path):
    with pytest.raises(ImageError, match="cannot be read: expected a picture"):  # it has no pixels
        read_image(_bitmap(tmp_path / "x.bmp", 9_459, 9_459))


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n{} loop\n%%EOF\n"


@pytest.mark.parametrize("reader", [read_image, read_metadata])
@pytest.mark.parametrize("name", ["photo.png", "photo.eps"])
def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch, reader, name):
    """Pillow reads EPS by starting Ghostscript, which may compute for ever."""
    monkeypatch.setattr(subprocess, "Popen", None)
    (tmp_path / name).write_bytes(EPS)
    with pytest.raises(ImageError, match="cannot be read"):
        reader(tmp_path / name)


@pytest.mark.parametrize("format_", ["PPM", "ICO", "TGA", "PCX", "SGI"])
def test_formats_that_nobody_asked_for_are_not_read(tmp_path, picture, format_):
    picture.save(tmp_path / "x.png", format=format_)
    with pytest.raises(ImageError, match="cannot be read"):
        read_image(tmp_path / "x.png")


def test_one_channel_is_a_picture_in_grey():
    image = array_to_image(np.array([[[-1.0, 0.0, 1.0, 3.0]]], np.float32))
    assert (image.mode, np.asarray(image).tolist()) == ("L", [[0, 128, 255, 255]])


@pytest.mark.parametrize("format_", FORMATS)
def test_the_content_says_what_a_picture_is_and_not_the_name(tmp_path, picture, format_):
    picture.save(tmp_path / "x.txt", format=format_)
    assert read_image(tmp_path / "x.txt").size == picture.size


def test_two_pictures_in_a_jpeg_as_telephones_write_them(tmp_path, picture):
    picture.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[picture])
    assert read_image(tmp_path / "x.jpg").size == picture.size


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
@pytest.mark.parametrize("reader", [read_image, read_metadata])
def test_a_pipe_is_not_waited_for(tmp_path, reader):
    os.mkfifo(tmp_path / "x.png")
    with pytest.raises(ImageError, match="cannot be read: it is no regular file"):
        reader(tmp_path / "x.png")
