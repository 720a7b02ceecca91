"""Pictures: read, turned into arrays and back, written with their settings."""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from edgediff_runtimes.errors import ImageError
from edgediff_runtimes.tensors import Floats

ImageSource: TypeAlias = Image.Image | str | Path

METADATA_KEY = "edgediff"


def read_image(source: ImageSource) -> Image.Image:
    """A picture in RGB, upright; transparency becomes white.

    Args:
        source: A PIL image, or the path of a file that Pillow reads.

    Raises:
        ImageError: The file is missing or is no picture, or the picture has more than 8 bits per channel.
    """
    if not isinstance(source, Image.Image | str | Path):
        raise ImageError(f"the image is a {type(source).__name__}: expected a PIL image or a path")
    image = _upright(source)
    if image.mode.startswith(("I", "F")):  # Pillow would cut such values off at 255
        raise ImageError(f"the image has the mode `{image.mode}`: expected 8 bits per channel")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def image_to_array(image: Image.Image, *, width: int, height: int) -> Floats:
    """A picture as the VAE encoder takes it: ``(1, 3, height, width)``, float32 in [-1, 1], resized with Lanczos."""
    resized = image.resize((width, height), Image.Resampling.LANCZOS)
    pixels = np.asarray(resized, np.float32) / 255
    return np.ascontiguousarray((2 * pixels - 1).transpose(2, 0, 1)[None])


def array_to_image(array: Floats) -> Image.Image:
    """A picture from ``(3, height, width)`` in [-1, 1]; what lies outside is clipped."""
    pixels = np.clip(array / 2 + 0.5, 0, 1).transpose(1, 2, 0)
    return Image.fromarray((pixels * 255).round().astype(np.uint8))


def check_place(path: str | Path) -> None:
    """Find out before a picture is drawn that ``save_image`` could not write it.

    Raises:
        ImageError: The suffix is unknown to Pillow or the directory is not there.
    """
    path = Path(path)
    _format_of(path)
    if not path.parent.is_dir():
        raise ImageError(f"the image `{path}` cannot be written: there is no directory `{path.parent}`")


def save_image(image: Image.Image, path: str | Path, *, metadata: dict[str, Any] | None = None) -> None:
    """Write a picture whole or not at all, in the format of its suffix.

    Args:
        image: The picture.
        path: Where to. PNG carries ``metadata`` as JSON text under the key ``edgediff``; no other format does.
        metadata: What ``read_metadata`` gives back.

    Raises:
        ImageError: The suffix is unknown to Pillow or the place cannot be written.
    """
    path = Path(path)
    format_ = _format_of(path)
    options: dict[str, Any] = {}
    if path.suffix.lower() == ".png" and metadata is not None:
        options["pnginfo"] = info = PngImagePlugin.PngInfo()
        info.add_itxt(METADATA_KEY, json.dumps(metadata, ensure_ascii=False))
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        with temporary.open("xb") as file:  # unlike tempfile's files, readable by whom the umask says
            image.save(file, format=format_, **options)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ImageError(f"the image `{path}` cannot be written: {reason}") from error
    finally:
        with suppress(OSError):  # it is not there once it was renamed, or where it could not be made
            temporary.unlink()


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The settings that ``save_image`` put into a PNG.

    Raises:
        ImageError: No such file, no picture, or a picture without settings.
    """
    try:
        with Image.open(path) as image:
            text = image.info.get(METADATA_KEY)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"the image `{path}` cannot be read: expected a PNG written by edgediff") from error
    try:
        values = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ImageError(f"the image `{path}` carries no settings: expected a PNG written by edgediff")
    return values


def _upright(source: ImageSource) -> Image.Image:
    name = "" if isinstance(source, Image.Image) else f" `{source}`"
    try:
        if isinstance(source, Image.Image):
            return ImageOps.exif_transpose(source)
        with Image.open(source) as file:
            return ImageOps.exif_transpose(file)
    except FileNotFoundError as error:
        raise ImageError(f"the image{name} does not exist") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"the image{name} cannot be read: expected a picture such as PNG or JPEG") from error


def _format_of(path: Path) -> str:
    name = Image.registered_extensions().get(path.suffix.lower())
    if name is None or name not in Image.SAVE:
        raise ImageError(f"the image `{path}` has the suffix `{path.suffix}`: expected .png, .jpg or .webp")
    return name
