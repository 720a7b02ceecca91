"""A picture to draw into: made larger, cut to its mask, and put together again from what is drawn and what was there.

Everything here is about pixels, before and behind a run. Cutting and pasting are those of diffusers' inpainting
pipelines with ``padding_mask_crop``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from edgediff_runtimes.tensors import Floats

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom, as Pillow has it
_LANCZOS = Image.Resampling.LANCZOS


@final
@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture, its mask, and what is wanted of the result.

    Attributes:
        image: In RGB.
        mask: Of its size, white where it is drawn anew.
        wanted: The part of it that is the result.
        box: The part of it that a run is given, see ``cropped``; None: all of it.
        size: Width and height that the run is given, where there is a box.
        exact: Whether the result is drawn only where the mask is white, and has the picture's own pixels elsewhere.
    """

    image: Image.Image
    mask: Image.Image
    wanted: Box
    box: Box | None = None
    size: tuple[int, int] | None = None
    exact: bool = False

    @classmethod
    def of(
        cls,
        image: Image.Image,
        mask: Image.Image | None,
        *,
        extend: Mapping[str, int],
        multiple: int,
        blur: float,
        exact: bool,
        transparent: bool = False,
    ) -> Canvas:
        """A picture with its mask, made larger where that is asked for.

        Args:
            image: In RGB.
            mask: Of its size; None: only what it is extended by is drawn.
            extend: Pixels by side: ``left``, ``top``, ``right``, ``bottom``.
            multiple: Width and height of a larger one are multiples of it; what is too much is cut off the result.
            blur: Pixels; the standard deviation that the mask is blurred with.
            exact: See the class.
            transparent: Whether the mask is what is transparent in the picture, which has nothing to show there.
        """
        wanted: Box = (0, 0, *image.size)
        black = Image.new("L", image.size, "black")
        marked = black if mask is None else mask
        nothing = marked.convert("L") if transparent else black  # white where there is nothing to blend with
        if transparent:
            image = filled(image, nothing)
        if extend:
            place, size, wanted = _placed(image.size, extend, multiple)
            marked, nothing = (_on_canvas(one.convert("L"), place, size) for one in (marked, nothing))
            image = filled(_on_canvas(image, place, size), _on_canvas(black, place, size))
        if blur:
            blurred = marked.convert("L").filter(ImageFilter.GaussianBlur(blur))
            marked = ImageChops.lighter(blurred, nothing)
        return cls(image, marked, wanted, exact=exact)

    def cropped(self, width: int, height: int, *, padding: int) -> Canvas:
        """The same, of which a run of this size is given what is around the mask.

        Args:
            width: Of the run, in pixels.
            height: Of the run, in pixels.
            padding: Pixels around the mask that are given as well.
        """
        box = _around(self.mask, width=width, height=height, padding=padding)
        return replace(self, box=box, size=(width, height), exact=True)

    @property
    def given(self) -> dict[str, Image.Image]:
        """Picture and mask, as a run takes them, by option."""
        return {"image": self.shown(self.image), "mask": self.shown(self.mask)}

    def shown(self, picture: Image.Image) -> Image.Image:
        """What a run is given of a picture that lies over all of this one.

        Args:
            picture: Of any size.
        """
        if self.box is None or self.size is None:
            return picture
        return _fitted(picture.resize(self.image.size, _LANCZOS).crop(self.box), self.size)

    def finished(self, drawn: Image.Image) -> Image.Image:
        """The result, from what a run has drawn."""
        if not self.exact:
            return drawn if self.wanted == (0, 0, *self.image.size) else drawn.crop(self.wanted)
        left, top, right, bottom = self.box or (0, 0, *self.image.size)
        whole = self.image.copy()
        whole.paste(_filling(drawn.convert("RGB"), (right - left, bottom - top)), (left, top))
        return Image.composite(whole, self.image, self.mask.convert("L")).crop(self.wanted)


def filled(image: Image.Image, unknown: Image.Image) -> Image.Image:
    """A picture whose unknown part is a smooth continuation of what is around it.

    Pull and push: the known pixels are averaged over squares of growing size until every square has some, and unknown
    ones get what the smallest square around them has that knows (Gortler et al. 1996, "The Lumigraph", section 3.4).

    Args:
        image: In RGB.
        unknown: In grey, of its size; white is unknown.
    """
    known: Floats = 1 - np.asarray(unknown.convert("L"), np.float32)[..., None] / np.float32(255)
    return Image.fromarray(_pushed(np.asarray(image, np.float32), known).round().clip(0, 255).astype(np.uint8))


def _pushed(pixels: Floats, known: Floats) -> Floats:
    height, width = known.shape[:2]
    if known.all() or max(height, width) == 1:
        return pixels
    pad = ((0, height % 2), (0, width % 2), (0, 0))
    halves = -(-height // 2), 2, -(-width // 2), 2, -1
    squares = [np.pad(array, pad).reshape(halves) for array in (pixels * known, known)]
    sums, counts = (square.sum(axis=(1, 3)) for square in squares)
    coarse = _pushed(sums / np.maximum(counts, np.float32(1e-6)), np.minimum(counts, 1))
    size = (coarse.shape[1] * 2, coarse.shape[0] * 2)
    planes = [Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR) for plane in coarse.transpose(2, 0, 1)]
    behind = np.stack([np.asarray(plane) for plane in planes], axis=-1)[:height, :width]
    mixed: Floats = known * pixels + (1 - known) * behind
    return mixed


def extended_size(size: tuple[int, int], extend: Mapping[str, int], *, multiple: int) -> tuple[int, int]:
    """Width and height of a canvas that a picture of this size is extended to."""
    across, down = extend.get("left", 0) + extend.get("right", 0), extend.get("top", 0) + extend.get("bottom", 0)
    width, height = (-(-(side + more) // multiple) * multiple for side, more in zip(size, (across, down), strict=True))
    return width, height


def _placed(
    size: tuple[int, int], extend: Mapping[str, int], multiple: int
) -> tuple[tuple[int, int], tuple[int, int], Box]:
    """Where a picture lies on its larger canvas, the canvas's size, and which part of it was asked for.

    What makes the canvas a multiple lies outside of what was asked for: where it is extended anyway, or else behind.
    """
    left, top, right, bottom = (extend.get(side, 0) for side in ("left", "top", "right", "bottom"))
    larger = extended_size(size, extend, multiple=multiple)
    wanted = size[0] + left + right, size[1] + top + bottom
    first = larger[0] - wanted[0] if left and not right else 0, larger[1] - wanted[1] if top and not bottom else 0
    return (first[0] + left, first[1] + top), larger, (*first, first[0] + wanted[0], first[1] + wanted[1])


def _on_canvas(image: Image.Image, place: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """A picture or a mask on a white canvas."""
    canvas = Image.new(image.mode, size, "white")
    canvas.paste(image, place)
    return canvas


def _around(mask: Image.Image, *, width: int, height: int, padding: int) -> Box:
    """What is not black in a mask, with pixels around it, grown to the shape of a run as far as the picture goes."""
    marked = np.asarray(mask.convert("L")) > 0
    places = [np.flatnonzero(marked.any(axis=axis)) for axis in (0, 1)]
    spans = [
        (max(int(place[0]) - padding, 0), min(int(place[-1]) + 1 + padding, side))
        for place, side in zip(places, mask.size, strict=True)
    ]
    (left, right), (top, bottom) = spans
    ratio = width / height
    if (right - left) / (bottom - top) > ratio:
        top, bottom = _grown(top, bottom, int((right - left) / ratio), mask.height)
    else:
        left, right = _grown(left, right, int((bottom - top) * ratio), mask.width)
    return left, top, right, bottom


def _grown(first: int, last: int, length: int, most: int) -> tuple[int, int]:
    """A span of this length around another, moved inside of the picture where it would leave it."""
    more = max(length - (last - first), 0)
    first, last = first - more // 2, last + more - more // 2
    if last >= most:
        first, last = first - (last - most), most
    if first < 0:
        first, last = 0, min(last - first, most)
    return first, last


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture inside of a size, in its own shape, with its outermost pixels repeated up to the size's borders."""
    width, height = size
    wide = image.width * height > width * image.height
    inner = (width, image.height * width // image.width) if wide else (image.width * height // image.height, height)
    inner = max(inner[0], 1), max(inner[1], 1)
    resized = image.resize(inner, _LANCZOS)
    if inner == size:
        return resized
    left, top = width // 2 - inner[0] // 2, height // 2 - inner[1] // 2
    pixels = np.asarray(resized)
    around = ((top, height - inner[1] - top), (left, width - inner[0] - left), (0, 0))
    return Image.fromarray(np.pad(pixels, around[: pixels.ndim], mode="edge"))


def _filling(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture over a size, in its own shape, of which what lies outside is cut off."""
    width, height = size
    wide = image.width * height > width * image.height
    outer = (image.width * height // image.height, height) if wide else (width, image.height * width // image.width)
    resized = image.resize(outer, _LANCZOS)
    left, top = outer[0] // 2 - width // 2, outer[1] // 2 - height // 2
    return resized.crop((left, top, left + width, top + height))
