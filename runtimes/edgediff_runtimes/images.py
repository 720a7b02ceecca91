"""Pictures: read, turned into arrays and back."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edgediff_runtimes.errors import ImageError
from edgediff_runtimes.tensors import Floats

ImageSource: TypeAlias = Image.Image | str | Path


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
