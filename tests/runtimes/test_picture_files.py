"""Files of pictures: whole or not at all, with settings that come back; folders are made, nothing is lost."""

from __future__ import annotations

import os
import re
import stat

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from edgediff_runtimes import picture_files
from edgediff_runtimes.errors import ImageError
from edgediff_runtimes.images import read_image
from edgediff_runtimes.infotext import infotext, metadata_in
from edgediff_runtimes.picture_files import check_place, read_metadata, save_image

METADATA = {"settings": {"prompts": ["a “red” apple 🍎"], "seed": 2**63, "guidance": 7.5}, "bundle": "tiny"}
SETTINGS = {
    "prompts": ['a "red" apple, edgediff: "no",\nin two lines'],
    "negative_prompts": ["dull: grey"],
    "seed": 42,
    "steps": 20,
    "sampler": "euler_a",
    "guidance": 2.5,
    "width": 64,
    "height": 72,
    "strength": 0.6,
}


@pytest.fixture
def picture():
    pixels = np.arange(24 * 16 * 3, dtype=np.uint32).reshape(16, 24, 3) * 7 % 256
    return Image.fromarray(pixels.astype(np.uint8))


def _left_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_settings_come_back_from_a_png(tmp_path, picture):
    save_image(picture, tmp_path / "x.png", metadata=METADATA)
    assert read_metadata(tmp_path / "x.png") == METADATA
    with Image.open(tmp_path / "x.png") as written:
        np.testing.assert_array_equal(np.asarray(written), np.asarray(picture))
    assert _left_in(tmp_path) == ["x.png"]


@pytest.mark.parametrize("name", ["x.PNG", "x.jpg", "x.webp", "ünï.png", str(10**9) * 24 + ".png"])
def test_formats_by_suffix(tmp_path, picture, name):
    save_image(picture, tmp_path / name, metadata=METADATA)
    with Image.open(tmp_path / name) as image:
        assert image.size == picture.size
    assert _left_in(tmp_path) == [name]


def test_a_file_is_replaced(tmp_path, picture):
    (tmp_path / "x.png").write_text("before")
    save_image(picture, tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").size == picture.size


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path, picture):
    (tmp_path / "other").touch()
    save_image(picture, tmp_path / "x.png")
    assert stat.S_IMODE((tmp_path / "x.png").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


@pytest.mark.parametrize("name", ["x", "x.", "x.txt", "x.png.exe"])
def test_an_unknown_suffix(tmp_path, picture, name):
    with pytest.raises(ImageError, match=r"expected \.png, \.jpg or \.webp"):
        save_image(picture, tmp_path / name)
    assert _left_in(tmp_path) == []


@pytest.mark.parametrize("name", ["x.txt", "", "file/x.png", "file/deeper/x.png"])
def test_a_place_is_checked_before_there_is_a_picture(tmp_path, name):
    (tmp_path / "file").touch()
    check_place(tmp_path / "x.png")
    check_place(tmp_path / "to" / "be" / "made" / "x.png")
    with pytest.raises(ImageError):
        check_place(tmp_path / name)
    assert _left_in(tmp_path) == ["file"]


def test_folders_on_the_way_are_made(tmp_path, picture):
    save_image(picture, tmp_path / "to" / "be" / "made" / "x.png")
    assert read_image(tmp_path / "to" / "be" / "made" / "x.png").size == picture.size


def test_a_file_stays_where_it_may_not_be_replaced(tmp_path, picture):
    (tmp_path / "x.png").write_text("before")
    with pytest.raises(ImageError, match=r"x\.png` cannot be written: a file is there"):
        save_image(picture, tmp_path / "x.png", overwrite=False)
    assert (tmp_path / "x.png").read_text() == "before"
    save_image(picture, tmp_path / "y.png", overwrite=False)
    assert _left_in(tmp_path) == ["x.png", "y.png"]


def test_a_drive_without_hard_links(tmp_path, picture, monkeypatch):
    def link(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(picture_files.os, "link", link)
    (tmp_path / "x.png").write_text("before")
    with pytest.raises(ImageError, match="a file is there"):
        save_image(picture, tmp_path / "x.png", overwrite=False)
    assert (tmp_path / "x.png").read_text() == "before"
    save_image(picture, tmp_path / "y.png", overwrite=False)
    assert read_image(tmp_path / "y.png").size == picture.size
    assert _left_in(tmp_path) == ["x.png", "y.png"]


def test_a_file_in_place_of_the_directory(tmp_path, picture):
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="cannot be written: Not a directory"):
        save_image(picture, tmp_path / "file" / "x.png")


def test_a_directory_in_the_place(tmp_path, picture):
    (tmp_path / "x.png").mkdir()
    with pytest.raises(ImageError, match="cannot be written"):
        save_image(picture, tmp_path / "x.png")
    assert _left_in(tmp_path) == ["x.png"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_directory_that_may_not_be_written(tmp_path, picture):
    tmp_path.chmod(0o500)
    with pytest.raises(ImageError, match="cannot be written: Permission denied"):
        save_image(picture, tmp_path / "x.png")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(28, "No space left on device"), ImageError),
        (ValueError("cannot encode"), ImageError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=repr,
)
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, picture, monkeypatch, error, raised):
    (tmp_path / "x.png").write_text("before")

    def fail(_image, file, **_):
        file.write(b"half")
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(raised):
        save_image(picture, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_text() == "before"
    assert _left_in(tmp_path) == ["x.png"]


@pytest.mark.parametrize("value", [None, "not json", "[1, 2]", '"text"'])
def test_a_foreign_png_carries_no_settings(tmp_path, picture, value):
    info = PngImagePlugin.PngInfo()
    if value is not None:
        info.add_text("edgediff", value)
    picture.save(tmp_path / "x.png", pnginfo=info)
    with pytest.raises(ImageError, match="carries no settings: expected a PNG, JPEG or WebP written by"):
        read_metadata(tmp_path / "x.png")


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.jpeg", "x.webp"])
@pytest.mark.parametrize("settings", [SETTINGS, METADATA["settings"], {}], ids=["full", "few", "none"])
def test_settings_come_back_from_three_formats(tmp_path, picture, name, settings):
    metadata = {"settings": settings, "bundle": "my, model", "computed": {}}
    save_image(picture, tmp_path / name, metadata=metadata)
    assert read_metadata(tmp_path / name) == metadata


def test_a_bmp_carries_no_settings(tmp_path, picture):
    save_image(picture, tmp_path / "x.bmp", metadata=METADATA)
    with pytest.raises(ImageError, match="carries no settings"):
        read_metadata(tmp_path / "x.bmp")


TEXT = """a "red" apple, edgediff: "no",
in two lines
Negative prompt: dull: grey
Steps: 20, Sampler: euler_a, CFG scale: 2.5, Seed: 42, Size: 64x72, Model: "my, model", Denoising strength: 0.6, \
Version: edgediff"""


def test_other_programs_read_the_web_ui_s_text(tmp_path, picture):
    metadata = {"settings": SETTINGS, "bundle": "my, model"}
    save_image(picture, tmp_path / "x.png", metadata=metadata)
    save_image(picture, tmp_path / "x.jpg", metadata=metadata)
    with Image.open(tmp_path / "x.png") as image:
        assert image.info["parameters"] == TEXT
    with Image.open(tmp_path / "x.jpg") as image:
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment.startswith(b"UNICODE\0")
    text = comment[8:].decode("utf-16-be")
    assert text.startswith(TEXT + ', edgediff: "')
    # the web UI's own reading of the last line (re_param, modules/infotext_utils.py)
    pairs = re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', text.splitlines()[-1])
    assert [name for name, _ in pairs][:4] == ["Steps", "Sampler", "CFG scale", "Seed"]
    assert len(pairs) == 9


@pytest.mark.parametrize("text", ["", "a cat", 'edgediff: "', 'edgediff: "\\q"', 'Steps: 4, edgediff: "{}" and more'])
def test_a_text_without_our_settings(text):
    assert metadata_in(text) is None


def test_a_prompt_that_looks_like_settings_is_not_taken_for_them():
    text = infotext({"settings": {"prompts": ['x\nSteps: 1, edgediff: "{}"']}})
    assert metadata_in(text) is None


def test_settings_too_long_for_a_jpeg_are_left_out_with_a_warning(tmp_path, picture):
    metadata = {"settings": {"prompts": ["apple " * 20_000]}}
    with pytest.warns(UserWarning, match="too long for a JPEG file"):
        save_image(picture, tmp_path / "x.jpg", metadata=metadata)
    assert read_image(tmp_path / "x.jpg").size == picture.size


@pytest.mark.parametrize("comment", [b"", b"ASCII\0\0\0text", b"UNICODE\0\0a\xd8", b"UNICODE\0", "text"], ids=repr)
def test_a_foreign_comment_carries_no_settings(tmp_path, picture, comment):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    picture.save(tmp_path / "x.jpg", exif=exif)
    with pytest.raises(ImageError, match="carries no settings"):
        read_metadata(tmp_path / "x.jpg")


def test_damaged_exif_is_one_sentence(tmp_path, picture):
    save_image(picture, tmp_path / "x.jpg", metadata=METADATA)
    data = bytearray((tmp_path / "x.jpg").read_bytes())
    start = data.index(b"Exif\0\0") + 6
    for at in range(start, start + 60):
        harmed = data.copy()
        harmed[at] ^= 0xFF
        (tmp_path / "y.jpg").write_bytes(harmed)
        try:
            read_metadata(tmp_path / "y.jpg")
        except ImageError:
            continue


@pytest.mark.parametrize(("content", "problem"), [(None, "does not exist"), (b"not a picture", "cannot be read")])
def test_settings_of_no_picture(tmp_path, content, problem):
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(ImageError, match=problem):
        read_metadata(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", [".eps", ".pdf", ".ico", ".ppm"])
def test_what_could_not_be_read_again_is_not_written(tmp_path, picture, suffix):
    with pytest.raises(ImageError, match=rf"has the suffix `\{suffix}`: expected \.png, \.jpg or \.webp"):
        save_image(picture, tmp_path / f"x{suffix}")
    assert _left_in(tmp_path) == []
