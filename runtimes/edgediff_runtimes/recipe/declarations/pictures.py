"""Parts for pictures at both ends of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, final

from edgediff_runtimes.recipe.part import OPTION, READ, WRITE, Part


@final
@dataclass(frozen=True, slots=True)
class Picture(Part):
    """The caller's picture, one for all: ``(1, 3, height, width)``, float32 in [-1, 1], in the size of the run.

    Attributes:
        choice: The option.
        to: The value.
        area: It has its own size, or in its own shape at most so many pixels, and is cut on all sides to whole
            multiples of the space's; None: it has the size of the run.
        factor: Its sides are those of the run over this.
        filter: What it is resized with.
        rounded: It has about as many pixels as the run in its own shape, both sides rounded to multiples of so many;
            None: see ``area``.
    """

    ALWAYS: ClassVar = ("width", "height")
    choice: str = field(metadata=OPTION)
    to: str = field(metadata=WRITE)
    area: int | None = None
    factor: int = 1
    filter: Literal["lanczos", "bicubic"] = "lanczos"
    rounded: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Noised(Part):
    """A picture with noise that the caller chooses the level of, as networks for super-resolution see it.

    Ho et al. 2022, "Cascaded Diffusion Models for High Fidelity Image Generation", section 4.2 (conditioning
    augmentation): with s the share of the signal at the level, ``sqrt(s) * value + sqrt(1 - s) * noise``, float32.

    Attributes:
        name: The picture.
        noise: The noise.
        to: The noised picture.
        level: Where the level itself goes: ``(rows,)``, int64.
        choice: The option that says the level, a whole number.
        default: The level where the caller says none.
        signal: The share of the signal at each level, from 0 on: cumulative products of alphas.
    """

    name: str = field(metadata=READ)
    noise: str = field(metadata=READ)
    to: str = field(metadata=WRITE)
    level: str = field(metadata=WRITE)
    choice: str = field(metadata=OPTION)
    default: int
    signal: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class Mask(Part):
    """Where the caller's picture is drawn anew: ``(pictures, 1, height, width)`` of the sample's size, 1 there, else 0.

    Each entry is the pixel at its upper left; pixels of at least half of white count as white.

    Attributes:
        choice: The option.
        to: The value.
        picture: A value that ``Picture`` wrote, for ``masked``; None: no value.
        masked: Where the picture goes without what is drawn anew, which is 0 in it: ``(1, 3, height, width)``; None:
            nowhere.
        folded: All pixels of an entry as its channels, row by row: ``(pictures, factor ** 2, height, width)``.
    """

    ALWAYS: ClassVar = ("width", "height", "mask_blur", "keep", "crop_mask", "extend")
    choice: str = field(metadata=OPTION)
    to: str = field(metadata=WRITE)
    picture: str | None = field(default=None, metadata=READ)
    masked: str | None = field(default=None, metadata=WRITE)
    folded: bool = False


@final
@dataclass(frozen=True, slots=True)
class Pictures(Part):
    """The last part of a result that is pictures.

    Attributes:
        name: ``(pictures, 1 or 3, height, width)`` in [-1, 1]; what lies outside is cut off.
    """

    name: str = field(metadata=READ)
