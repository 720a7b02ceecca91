"""One picture by every sampler at 4, 10 and 20 steps: the same prompt, the same seed.

    python benchmarks/samplers/contact_sheet.py BUNDLE SHEET.png [--prompt TEXT] [--seed N] [--steps 4,10,20]

BUNDLE is what ``edgediff.load`` takes. Samplers that need another kind of model are left out. Guidance is the model's
own, and 1.5 for the CFG++ samplers, whose steps go further by themselves. One cell per picture, one row per sampler, in
two columns.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

import edgediff
from edgediff_runtimes.errors import SamplerError
from edgediff_runtimes.sampling import sampler_config, sampler_table

if TYPE_CHECKING:
    from edgediff_runtimes.sampling.known_samplers import SamplerInfo

LABEL = 132
GAP = 4
COLUMNS = 2
GUIDANCE_OF_CFG_PP = 1.5


def drawable(base: dict[str, object]) -> list[SamplerInfo]:
    """The samplers that a model of this config can be drawn with."""
    found = []
    for info in sampler_table():
        try:
            sampler_config(info.name, base)
        except SamplerError:
            continue
        found.append(info)
    return found


def main() -> None:
    """Draw all cells and put them on one sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--prompt", default="a red apple")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=lambda text: [int(part) for part in text.split(",")], default=[4, 10, 20])
    arguments = parser.parse_args()
    with edgediff.load(arguments.bundle) as pipeline:
        base = dict(pipeline.bundle.manifest.scheduler)
        rows = {
            info.name: [
                pipeline(
                    arguments.prompt,
                    seed=arguments.seed,
                    steps=steps,
                    sampler=info.name,
                    guidance=GUIDANCE_OF_CFG_PP if info.needs == "guidance" else None,
                ).images[0]
                for steps in arguments.steps
            ]
            for info in drawable(base)
        }
    width, height = next(iter(rows.values()))[0].size
    row_width = LABEL + len(arguments.steps) * (width + GAP)
    lines = -(-len(rows) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * row_width + GAP, 20 + lines * (height + GAP)), "white")
    draw = ImageDraw.Draw(sheet)
    for column in range(COLUMNS):
        for i, steps in enumerate(arguments.steps):
            draw.text((column * row_width + LABEL + i * (width + GAP), 4), f"{steps} steps", fill="black")
    for place, (name, pictures) in enumerate(rows.items()):
        left, top = place // lines * row_width, 20 + place % lines * (height + GAP)
        draw.text((left + GAP, top + height // 2 - 6), name, fill="black")
        for i, picture in enumerate(pictures):
            sheet.paste(picture, (left + LABEL + i * (width + GAP), top))
    sheet.quantize(128).save(arguments.sheet, optimize=True)
    print(f"{len(rows)} samplers, {arguments.sheet.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
