"""Sizes of pictures in a shape of their own."""

from __future__ import annotations

import math


def size_of_area(width: int, height: int, *, area: int, multiple: int) -> tuple[int, int]:
    """Width and height of about ``area`` pixels in the shape of a picture, each rounded to multiples, at least one."""
    ratio = width / height
    wide = math.sqrt(area * ratio)
    high = wide / ratio
    return max(round(wide / multiple), 1) * multiple, max(round(high / multiple), 1) * multiple
