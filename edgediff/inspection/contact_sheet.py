"""Pictures side by side on one sheet, with a line of text below each."""

from __future__ import annotations

import math

from PIL import Image, ImageDraw

from edgediff.inspection.grid import GAP, INK, LINE, PAPER, enlarged, write_line


def contact_sheet(pictures: list[tuple[Image.Image, str]]) -> Image.Image:
    """Put pictures into a square of rows and columns; small ones are enlarged by a whole factor, pixel by pixel.

    Args:
        pictures: At least one, each with its text, which is cut to the picture's width.
    """
    shown = [(enlarged(image), text) for image, text in pictures]
    width, height = (max(image.size[axis] for image, _ in shown) for axis in (0, 1))
    columns = math.ceil(math.sqrt(len(shown)))
    rows = math.ceil(len(shown) / columns)
    across, down = width + GAP, height + LINE + GAP
    sheet = Image.new("RGB", (columns * across + GAP, rows * down + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, (image, text) in enumerate(shown):
        row, column = divmod(index, columns)
        left, top = GAP + column * across, GAP + row * down
        sheet.paste(image, (left, top))
        write_line(pen, (left, top + height + 2), text, room=width, colour=INK)
    return sheet
