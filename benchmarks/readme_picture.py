"""Draw the picture at the top of the README with the model that ships in the package.

python benchmarks/readme_picture.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

import edgediff

TARGET = Path(__file__).parents[1] / "docs" / "images" / "shipped-model.png"
PROMPTS = (
    "a red apple",
    "a slice of pizza",
    "a fox face",
    "a penguin",
    "an octopus",
    "a sunflower",
    "a house",
    "a rocket",
    "a sailboat",
    "a guitar",
    "an umbrella",
    "a rainbow",
)
COLUMNS = 6
CELL = 128


def main() -> None:
    """One picture per prompt, all with seed 0, enlarged twice."""
    sheet = Image.new("RGB", (COLUMNS * CELL, len(PROMPTS) // COLUMNS * CELL), "white")
    with edgediff.load("emoji-lcm") as pipeline:
        for index, prompt in enumerate(PROMPTS):
            image = pipeline(prompt, seed=0).images[0].resize((CELL, CELL), Image.Resampling.BICUBIC)
            sheet.paste(image, (index % COLUMNS * CELL, index // COLUMNS * CELL))
    TARGET.parent.mkdir(exist_ok=True)
    sheet.save(TARGET, optimize=True)
    print(TARGET.name)


if __name__ == "__main__":
    main()
