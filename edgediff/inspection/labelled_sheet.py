"""Pictures in rows and columns, with a label above each column and before each row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from PIL import Image, ImageDraw, ImageFont

from edgediff.inspection.grid import GAP, INK, LETTERS, LINE, PAPER, enlarged, factor_of, write_line

_MOST_LINES = 3  # of a label; what is longer is cut
_WIDEST = 220  # pixels of the labels of rows
_WORD = re.compile(r"\s*(?:[^\s=]+=?|=)")  # a line may also end behind a sign of equality


def labelled_sheet(
    pictures: Sequence[Sequence[Image.Image]], *, columns: Sequence[str], rows: Sequence[str], title: str
) -> Image.Image:
    """Put pictures into rows and columns; small ones are enlarged by one whole factor, pixel by pixel.

    Args:
        pictures: Row by row, all rows equally long.
        columns: A label for each column, broken into a few lines where it is wider than a picture.
        rows: A label for each row; empty where it needs none.
        title: One line above all, cut to the width of the sheet.
    """
    factor = min(factor_of(image) for row in pictures for image in row)  # one for all, so that sizes can be compared
    shown = [[enlarged(image, factor) for image in row] for row in pictures]
    width, height = (max(image.size[axis] for row in shown for image in row) for axis in (0, 1))
    beside = min(max((_length(label) for label in rows if label), default=0), _WIDEST)
    left = GAP + (beside + GAP if beside else 0)
    above = [_broken(label, room=width) for label in columns]
    top = GAP + LINE + GAP // 2 + LINE * max(map(len, above)) + GAP // 2
    size = left + len(columns) * (width + GAP), top + len(rows) * (height + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    write_line(pen, (GAP, GAP // 2), title, room=size[0] - 2 * GAP, colour=INK)
    for column, lines in enumerate(above):
        for line, text in enumerate(lines):
            place = left + column * (width + GAP), top - GAP // 2 - LINE * (len(lines) - line)
            write_line(pen, place, text, room=width, colour=INK)
    for row, (label, images) in enumerate(zip(rows, shown, strict=True)):
        y = top + row * (height + GAP)
        for line, text in enumerate(_broken(label, room=_WIDEST)):
            write_line(pen, (GAP, y + line * LINE), text, room=_WIDEST, colour=INK)
        for column, image in enumerate(images):
            sheet.paste(image, (left + column * (width + GAP), y))
    return sheet


def _length(text: str) -> int:
    return int(ImageFont.load_default(LETTERS).getlength(text)) + 1


def _broken(text: str, *, room: int) -> list[str]:
    """A label in lines of whole words that fit; the last one has all that is left."""
    lines = list(_lines(text, room=room))
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], " ".join(lines[_MOST_LINES - 1 :])]
    return lines


def _lines(text: str, *, room: int) -> Iterator[str]:
    line = ""
    for word in _WORD.findall(text):
        if line and _length(line + word) > room:
            yield line
            line = word.lstrip()
        else:
            line += word
    if line:
        yield line
