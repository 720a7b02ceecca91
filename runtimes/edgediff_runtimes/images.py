"""Pictures: read, turned into arrays and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from edgediff_runtimes.errors import ImageError
from edgediff_runtimes.tensors import Floats

ImageSource: TypeAlias = Image.Image | str | Path

# Read and written, whatever a file is called. Pillow by itself knows some forty, among them EPS, for which it starts
# Ghostscript, and others whose readers few people have looked at.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
# Where Pillow begins to warn of files whose few bytes stand for much memory: a quarter of a gigabyte in RGB, and some
# times that while it is turned upright or made opaque. Phones and most cameras give 12 to 61 million.
MAX_PIXELS = 89_478_485
_SMALLER = "make it smaller first: it is looked at in the size of the new picture"


def read_image(source: ImageSource) -> Image.Image:
    """A picture in RGB, upright; transparency becomes white.

    Args:
        source: A PIL image, or the path of a file in one of ``FORMATS``.

    Raises:
        ImageError: The file is missing or is no such picture, or the picture has more than ``MAX_PIXELS`` pixels (found
            before it is decoded) or more than 8 bits per channel.
    """
    image = read_upright(source)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def read_upright(source: ImageSource) -> Image.Image:
    """A picture as it is, upright.

    Args:
        source: As in ``read_image``.

    Raises:
        ImageError: As in ``read_image``.
    """
    if not isinstance(source, Image.Image | str | Path):
        raise ImageError(f"the image is a {type(source).__name__}: expected a PIL image or a path")
    image = _upright(source)
    if image.mode.startswith(("I", "F")):  # Pillow would cut such values off at 255
        name = "the image" if isinstance(source, Image.Image) else f"the image `{source}`"
        raise ImageError(
            f"{name} has the mode `{image.mode}`: expected 8 bits per channel", hint="save it as an 8-bit PNG or a JPEG"
        )
    return image


def image_to_array(
    image: Image.Image, *, width: int, height: int, resample: Image.Resampling = Image.Resampling.LANCZOS
) -> Floats:
    """A picture as the VAE encoder takes it: ``(1, 3, height, width)``, float32 in [-1, 1], resized where needed."""
    resized = image.resize((width, height), resample)
    pixels = np.asarray(resized, np.float32) / 255
    return np.ascontiguousarray((2 * pixels - 1).transpose(2, 0, 1)[None])


def within_area(image: Image.Image, *, area: int, multiple: int) -> Image.Image:
    """A picture of at most so many pixels, in its own shape, cut around its middle to multiples along its sides.

    Raises:
        ImageError: A side is shorter than one multiple.
    """
    width, height = image.size
    if width * height > area:
        smaller = math.sqrt(area / (width * height))
        width, height = int(width * smaller), int(height * smaller)
        image = image.resize((max(width, 1), max(height, 1)), Image.Resampling.LANCZOS)
    wide, high = width // multiple * multiple, height // multiple * multiple
    if not (wide and high):
        raise ImageError(f"the image has {width}x{height} pixels: expected at least {multiple} along each side")
    left, top = (width - wide) // 2, (height - high) // 2
    return image.crop((left, top, left + wide, top + high))


def array_to_image(array: Floats) -> Image.Image:
    """A picture from ``(3, height, width)``, or in grey from 1, in [-1, 1]; what lies outside is clipped."""
    pixels = np.clip(array / 2 + 0.5, 0, 1).transpose(1, 2, 0)
    levels = (pixels * 255).round().astype(np.uint8)
    return Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)


@contextmanager
def opened_image(path: str | Path, *, expected: str) -> Iterator[Image.Image]:
    """A file's picture, not decoded yet.

    Raises:
        ImageError: There is no such file, it is not what was ``expected``, or it has more than ``MAX_PIXELS`` pixels;
            also for all that Pillow raises while the block runs.
    """
    name = f"the image `{path}`"
    try:
        _check_kind(Path(path), name)
        with Image.open(path, formats=FORMATS) as image:
            _check_pixels(image, name)
            yield image
    except (ImageError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{name} does not exist") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} cannot be read: expected at most {MAX_PIXELS:,} pixels", hint=_SMALLER) from error
    except Exception as error:  # Pillow's readers raise whatever they stumble over in a damaged file
        raise ImageError(f"{name} cannot be read: expected {expected}") from error


def _check_kind(path: Path, name: str) -> None:
    if path.exists() and not path.is_file():  # a pipe would keep us waiting, a device has no end
        kind = "it is a folder" if path.is_dir() else "it is no regular file"
        raise ImageError(f"{name} cannot be read: {kind}")


def _check_pixels(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{name} has {image.width}x{image.height} pixels: expected at most {MAX_PIXELS:,} pixels", hint=_SMALLER
        )


def _upright(source: ImageSource) -> Image.Image:
    if not isinstance(source, Image.Image):
        with opened_image(source, expected="a picture such as PNG or JPEG") as file:
            return ImageOps.exif_transpose(file)
    _check_pixels(source, "the image")
    try:
        return ImageOps.exif_transpose(source)
    except MemoryError:
        raise
    except Exception as error:  # it may be a file that Pillow has opened and not decoded yet
        raise ImageError("the image cannot be read: expected a picture such as PNG or JPEG") from error
