"""Contact sheets: what the model draws, to be looked at.

python -m benchmarks.models.emoji.sheet --pipeline DIR/final/emoji --out emoji.png
python -m benchmarks.models.emoji.sheet --pipeline DIR/final/emoji --out blends.png --blends
python -m benchmarks.models.emoji.sheet --pipeline edgediff/models/emoji-lcm --steps 4 --guidance 1 --out shipped.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.models.emoji.artists import Artist, open_artist

PROMPTS = (
    "red apple", "banana", "pizza", "hamburger", "strawberry", "birthday cake", "ice cream", "hot beverage",
    "dog face", "cat face", "fox", "panda", "frog", "penguin", "octopus", "butterfly",
    "sunflower", "rose", "cactus", "palm tree", "mushroom", "maple leaf", "house", "castle",
    "rocket", "airplane", "bicycle", "fire engine", "locomotive", "sailboat", "police car", "helicopter",
    "grinning face", "smiling face with sunglasses", "angry face", "pile of poo", "ghost", "robot", "red heart",
    "blue heart", "soccer ball", "guitar", "trumpet", "light bulb", "key", "umbrella", "rainbow", "snowman",
)  # fmt: skip
BLENDS = (
    "blue apple", "purple apple", "cat with sunglasses", "a green cat", "a pink elephant", "blue banana",
    "purple pizza", "red frog", "a robot cat", "angry tomato", "ghost with a hat",
    "snowman on a beach", "fire and ice",
    "two dogs", "a photo of a happy dog", "kitten", "puppy", "a fast car", "a red umbrella", "blue rose", "golden key",
    "a house on fire", "dragon with wings", "xyzzy",
)  # fmt: skip
_MARGIN, _TEXT = 6, 14


def sheet(artist: Artist, prompts: tuple[str, ...], *, seeds: int, columns: int) -> Image.Image:
    """One cell per prompt: its seeds side by side, its words below."""
    drawn = np.stack([artist.draw(list(prompts), seed=seed).numpy() for seed in range(seeds)], axis=1)
    side = drawn.shape[2]
    width, height = seeds * side + _MARGIN, side + _TEXT
    rows = -(-len(prompts) // columns)
    page = Image.new("RGB", (columns * width, rows * height), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=11)
    for place, (prompt, pictures) in enumerate(zip(prompts, drawn, strict=True)):
        left, top = place % columns * width, place // columns * height
        strip = np.concatenate(list((pictures * 255).round().astype(np.uint8)), axis=1)
        page.paste(Image.fromarray(strip), (left, top))
        pen.text((left + 2, top + side), prompt, fill="black", font=font)
    return page


def main() -> None:
    """Write one PNG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", type=Path, required=True, help="the folder of a pipeline or a bundle")
    parser.add_argument("--out", type=Path, required=True, help="PNG file")
    parser.add_argument("--steps", type=int, default=20, help="(default: %(default)s; few-step model: 4)")
    parser.add_argument("--guidance", type=float, default=2.5, help="(default: %(default)s; few-step model: 1)")
    parser.add_argument("--seeds", type=int, default=3, help="pictures per prompt (default: %(default)s)")
    parser.add_argument("--blends", action="store_true", help="prompts that training never had")
    parser.add_argument("--colours", type=int, help="of the PNG's palette, which makes it small (default: no palette)")
    arguments = parser.parse_args()
    artist = open_artist(arguments.pipeline, steps=arguments.steps, guidance=arguments.guidance)
    prompts = BLENDS if arguments.blends else PROMPTS
    page = sheet(artist, prompts, seeds=arguments.seeds, columns=4)
    if arguments.colours is not None:
        page = page.quantize(arguments.colours)
    page.save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
