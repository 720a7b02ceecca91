"""What weights, changes from step to step and blends of prompts draw with a shipped model.

python benchmarks/prompts_sheet.py emoji docs/images/prompts.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

import edgediff
from edgediff.inspection.grid import GAP, INK, LINE, PAPER, write_line

CELL, SEEDS = 96, range(6)
# A line of the sheet each: prompt and syntax.
ROWS: tuple[tuple[str, str | None], ...] = (
    ("a green apple", None),
    ("a (green:1.4) apple", "a1111"),
    ("a [[[[green]]]] apple", "a1111"),
    ("a red apple", None),
    ("a pear", None),
    ("a [red apple:pear:0.25]", "a1111"),
    ("a [red apple:pear:0.5]", "a1111"),
    ("a [red apple|pear]", "a1111"),
    ("a red++ apple", "compel"),
    ('("a red apple", "a pear").blend(1, 1)', "compel"),
)


def main() -> None:
    """A line per prompt, a column per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a shipped model, or a bundle's directory")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    width, height = len(SEEDS) * (CELL + GAP) + GAP, len(ROWS) * (CELL + LINE + GAP) + GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    with edgediff.load(arguments.model) as pipeline:
        for row, (prompt, syntax) in enumerate(ROWS):
            top = GAP + row * (CELL + LINE + GAP)
            title = prompt if syntax is None else f"{prompt}   --syntax {syntax}"
            write_line(pen, (GAP, top), title, room=width - 2 * GAP, colour=INK)
            drawn = pipeline(prompt, syntax=syntax, seed=SEEDS[0], images=len(SEEDS)).images
            for column, image in enumerate(drawn):
                cell = image.convert("RGB").resize((CELL, CELL), Image.Resampling.BICUBIC)
                sheet.paste(cell, (GAP + column * (CELL + GAP), top + LINE))
    sheet.quantize(256).save(arguments.output, optimize=True)


if __name__ == "__main__":
    main()
