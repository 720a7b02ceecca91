"""Files of pictures: written whole or not at all, with the settings that draw them again; and those settings read."""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

from edgediff_runtimes.errors import ImageError
from edgediff_runtimes.images import FORMATS, opened_image
from edgediff_runtimes.infotext import infotext, metadata_in
from edgediff_runtimes.untrusted.documents import parse_json

METADATA_KEY = "edgediff"
INFOTEXT_KEY = "parameters"  # the web UI's name for it in a PNG
_UNICODE = b"UNICODE\0"  # EXIF 2.32, table 9: the character code of a UserComment
_MOST_EXIF_BYTES = 65_527  # of a JPEG's segment
_WITH_EXIF = ("JPEG", "WEBP")


def check_place(path: str | Path) -> None:
    """Find out before a picture is drawn that ``save_image`` could not write it.

    Raises:
        ImageError: The suffix is none of ``FORMATS``, or a part of the path is a file where a folder is needed.
    """
    path = Path(path)
    _format_of(path)
    try:
        nearest = next((folder for folder in path.parents if folder.exists()), Path())
        reason = None if nearest.is_dir() and os.access(nearest, os.W_OK) else f"`{nearest}` is no folder to write to"
    except (OSError, ValueError) as error:  # a name too long, a zero byte
        reason = str(error)
    if reason is not None:
        raise ImageError(f"the image `{path}` cannot be written: {reason}")


def encode_image(image: Image.Image, format_: str, *, metadata: dict[str, Any] | None = None) -> bytes:
    """A picture as the bytes of its file.

    Args:
        image: The picture.
        format_: Pillow's name of a format. PNG carries ``metadata`` as JSON text under the key ``edgediff``, and for
            other programs as ``infotext`` under ``parameters``; JPEG and WebP carry both in EXIF's UserComment; other
            formats carry none.
        metadata: What ``read_metadata`` gives back.

    Raises:
        OSError, ValueError: Pillow cannot write this picture in this format.
    """
    options: dict[str, Any] = {}
    if metadata is not None and format_ == "PNG":
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_itxt(METADATA_KEY, json.dumps(metadata, ensure_ascii=False))
        info.add_text(INFOTEXT_KEY, infotext(metadata))
    if metadata is not None and format_ in _WITH_EXIF:
        exif = _exif(infotext(metadata, whole=True))
        if len(exif) <= _MOST_EXIF_BYTES:
            options["exif"] = exif
        else:
            warnings.warn(f"the settings are too long for a {format_} file, which goes without them", stacklevel=2)
    file = io.BytesIO()
    image.save(file, format=format_, **options)
    return file.getvalue()


def save_image(
    image: Image.Image, path: str | Path, *, metadata: dict[str, Any] | None = None, overwrite: bool = True
) -> None:
    """Write a picture whole or not at all, in the format of its suffix; folders on the way are made.

    Args:
        image: The picture.
        path: Where to.
        metadata: See ``encode_image``.
        overwrite: Replace a file that is there; else it stays, also one that appears at the last moment.

    Raises:
        ImageError: The suffix is none of ``FORMATS``, the place cannot be written, or a file is there.
    """
    path = Path(path)
    format_ = _format_of(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        data = encode_image(image, format_, metadata=metadata)
        _make_folder(path.parent)
        with temporary.open("xb") as file:  # unlike tempfile's files, readable by whom the umask says
            file.write(data)
        if overwrite:
            temporary.replace(path)
        else:
            _place_new(temporary, path)
    except FileExistsError as error:
        raise ImageError(f"the image `{path}` cannot be written: a file is there") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ImageError(f"the image `{path}` cannot be written: {reason}") from error
    finally:
        with suppress(OSError):  # it is not there once it was renamed, or where it could not be made
            temporary.unlink()


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The settings that ``save_image`` put into a PNG, JPEG or WebP.

    Raises:
        ImageError: No such file, no picture, or a picture without settings.
    """
    expected = "a PNG, JPEG or WebP written by edgediff"
    with opened_image(path, expected=expected) as image:
        text = image.info.get(METADATA_KEY) or _user_comment(image)
    try:
        return parse_json(text if isinstance(text, str) else "")
    except ValueError as error:
        raise ImageError(f"the image `{path}` carries no settings: expected {expected}") from error


def _exif(text: str) -> bytes:
    exif = Image.Exif()
    # Big-endian whatever the file's byte order, as piexif and with it the web UI write and read it
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _UNICODE + text.encode("utf-16-be", "surrogatepass")
    return exif.tobytes()


def _user_comment(image: Image.Image) -> str | None:
    comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    if not isinstance(comment, bytes) or not comment.startswith(_UNICODE):
        return None
    return metadata_in(comment.removeprefix(_UNICODE).decode("utf-16-be", "replace"))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def _place_new(temporary: Path, path: Path) -> None:
    """Give a file its name; raises ``FileExistsError`` where the name is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        with path.open("xb"):  # a drive without hard links: take the name, then fill it
            pass
        temporary.replace(path)


def _format_of(path: Path) -> str:
    name = Image.registered_extensions().get(path.suffix.lower())
    if name is None or name not in FORMATS:
        raise ImageError(f"the image `{path}` has the suffix `{path.suffix}`: expected .png, .jpg or .webp")
    return name
