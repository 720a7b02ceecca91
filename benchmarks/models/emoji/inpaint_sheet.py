"""Drawing into pictures with the shipped models, to be looked at: docs/images/inpaint.png.

    python -m benchmarks.models.emoji.inpaint_sheet docs/images/inpaint.png

What is drawn into are the models' own pictures, so that everything on the sheet can be made again: an apple, to be made
blue, and the right part of a boat, to be made whole. Neither model was trained for it; the first seeds are shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

import edgediff
from edgediff.inspection.contact_sheet import contact_sheet
from edgediff_runtimes.picture_files import save_image
from edgediff_runtimes.settings import Options

_SIDE, _CUT = 64, 28  # pixels; of the boat, at its left
_GREY = 40  # difference of the largest and the smallest colour of a pixel, below which it is ground
_GROWN = 9  # pixels along a side: squares of 8 are drawn as one, so that a mask is a little larger than the thing
_APPLE, _BOAT = "a blue apple", "a sailboat"


def things(image: Image.Image) -> Image.Image:
    """White where a picture is coloured, and a little around it."""
    red, green, blue = image.split()
    most, least = (pick(pick(red, green), blue) for pick in (ImageChops.lighter, ImageChops.darker))
    coloured = ImageChops.subtract(most, least).point(lambda level: 255 if level > _GREY else 0)
    return coloured.filter(ImageFilter.MaxFilter(_GROWN))


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    with edgediff.load("emoji-lcm") as few, edgediff.load("emoji") as many:
        apple = few("a red apple", seed=0).images[0]
        boat = few(_BOAT, seed=1).images[0].crop((_CUT, 0, _SIDE, _SIDE))
        mask, wider = things(apple), Image.new("RGB", (_SIDE, _SIDE), "lightgrey")
        wider.paste(boat, (_CUT, 0))
        masked: Options = {"image": apple, "mask": mask}
        extended: Options = {"image": boat, "extend": {"left": _CUT}}
        calls: list[tuple[str, edgediff.Pipeline, str, Options]] = [
            ("a blue apple, seed 0", few, _APPLE, {**masked, "seed": 0}),
            ("seed 1", few, _APPLE, {**masked, "seed": 1}),
            ("--keep exact", few, _APPLE, {**masked, "seed": 0, "keep": "exact"}),
            ("--strength 0.8", few, _APPLE, {**masked, "seed": 0, "strength": 0.8}),
            ("-m emoji, seed 0", many, _APPLE, {**masked, "seed": 0}),
            ("-m emoji, seed 1", many, _APPLE, {**masked, "seed": 1}),
            (f"--extend left={_CUT}, seed 0", few, _BOAT, {**extended, "seed": 0}),
            ("seed 1", few, _BOAT, {**extended, "seed": 1}),
            ("--mask-blur 2", few, _BOAT, {**extended, "seed": 1, "mask_blur": 2}),
            ("-m emoji, seed 0", many, _BOAT, {**extended, "seed": 0}),
            ("-m emoji, seed 1", many, _BOAT, {**extended, "seed": 1}),
        ]
        drawn = [(pipeline(prompt, **options).images[0], label) for label, pipeline, prompt, options in calls]
    given = [(apple, "--image"), (mask.convert("RGB"), "--mask")]
    page = contact_sheet([*given, *drawn[:6], (wider, "--image"), *drawn[6:]])
    save_image(page, arguments.output)


if __name__ == "__main__":
    main()
