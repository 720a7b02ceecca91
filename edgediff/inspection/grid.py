"""A sheet of pictures: what fp32 drew, what the bundle draws, and the difference between them."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.engines import get_engine
from edgediff_runtimes.errors import SettingError
from edgediff_runtimes.placement import Placement
from edgediff_runtimes.quality import OnProgress, Reference, Runner, draw
from edgediff_runtimes.quality.measures import psnr_db, ssim
from edgediff_runtimes.tensors import Array

AMPLIFIED = 8
_LEAST_SIDE = 160  # of a picture on the sheet: smaller ones are enlarged by whole factors, pixel by pixel
_MOST_WIDTH = 1900  # of the sheet, but for a single group of columns
GAP, LETTERS, LINE = 8, 13, 17
INK, _SOFT, PAPER = (29, 35, 41), (90, 98, 108), (238, 240, 242)  # pictures are often white at their edges


def quality_grid(bundle: Bundle, *, on_progress: OnProgress) -> Image.Image:
    """Draw the pictures of a bundle's record again and put them beside fp32's.

    Args:
        bundle: One whose quality was measured; it is drawn as its manifest says: engine, device, threads.
        on_progress: Told ``(what, pictures done, pictures in all)``.

    Returns:
        A row for each picture: fp32, bundle, difference (its amount, ``AMPLIFIED`` times, black where there is none).

    Raises:
        SettingError: The bundle's quality was not measured.
        EdgediffError: It cannot be drawn with.
    """
    report, reference = bundle.manifest.quality, Reference.of(bundle)
    if report is None or reference is None:
        raise SettingError("grid", got=bundle.path.name, expected="a bundle whose quality was measured at its export")
    own = Placement(engine=get_engine(report.engine), device=report.device, threads=report.threads)
    runner = Runner(bundle, own)
    drawn = list(draw(runner, reference, on_progress=on_progress))
    return sheet(reference, drawn)


def sheet(
    reference: Reference, drawn: list[Array], *, titles: tuple[str, str] = ("fp32", "this bundle")
) -> Image.Image:
    """Put pictures beside those of the record, small ones in several groups of columns.

    Args:
        reference: Has fp32's pictures with prompts and seeds.
        drawn: A picture for each, uint8, ``(height, width, 3)``.
        titles: What the two are.
    """
    width, height = enlarged(Image.new("RGB", (reference.width, reference.height))).size
    across, down = 3 * (width + GAP) + GAP, height + 2 * LINE + 2 * GAP
    most = max(1, min(_MOST_WIDTH // across, len(drawn)))
    rows = math.ceil(len(drawn) / most)
    groups = math.ceil(len(drawn) / rows)  # four pictures fill two groups of two, where three have room
    result = Image.new("RGB", (groups * across + GAP, LINE + rows * down + GAP), PAPER)
    pen = ImageDraw.Draw(result)
    for index, (expected, got) in enumerate(zip(reference.pictures, drawn, strict=True)):
        group, row = divmod(index, rows)
        left, top = GAP + group * across, LINE + GAP + row * down
        for column, picture in enumerate((expected, got, _difference(expected, got))):
            x = left + column * (width + GAP)
            if row == 0:
                title = (*titles, f"difference x{AMPLIFIED}")[column]
                write_line(pen, (x, GAP // 2), title, room=width, colour=INK)
            result.paste(enlarged(Image.fromarray(picture)), (x, top))
        figures = f"PSNR {psnr_db(expected, got):.1f} dB, SSIM {ssim(expected, got):.4f}, seed {reference.seeds[index]}"
        for line, (text, colour) in enumerate(((reference.prompts[index], INK), (figures, _SOFT))):
            write_line(pen, (left, top + height + 2 + line * LINE), text, room=across - 2 * GAP, colour=colour)
    return result


def factor_of(image: Image.Image) -> int:
    """The whole factor by which a small picture is enlarged on a sheet; 1 for a large one."""
    return max(1, math.ceil(_LEAST_SIDE / min(image.size)))


def enlarged(image: Image.Image, factor: int | None = None) -> Image.Image:
    """A picture by a whole factor, pixel by pixel; its own where nothing is said."""
    factor = factor or factor_of(image)
    return image.resize((factor * image.width, factor * image.height), Image.Resampling.NEAREST)


def _difference(expected: Array, got: Array) -> Array:
    amount = np.abs(expected.astype(np.int16) - got)
    shown: Array = np.minimum(AMPLIFIED * amount, 255).astype(np.uint8)
    return shown


def write_line(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, *, room: int, colour: tuple[int, int, int]
) -> None:
    """Write one line of text at a place, cut to the pixels of room there are."""
    font = ImageFont.load_default(LETTERS)
    if font.getlength(text) > room:
        while text and font.getlength(f"{text}…") > room:
            text = text[:-1]
        text = f"{text}…"
    pen.text(place, text, fill=colour, font=font)
