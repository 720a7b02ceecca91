"""Step 1b: drawings of one main colour, redrawn in others, so that colour words mean something on their own.

Noto has one banana, and it is yellow. Turning the hue of its yellow pixels gives a blue one, and the caption
"blue banana" a picture. Two colours of each such drawing are never trained: whether the model can draw them
all the same is measured (`evaluate.py`), not assumed.

    python -m benchmarks.models.emoji.recolour --work DIR
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.models.emoji import data
from benchmarks.models.emoji.budget import plain_options

HUES = {"red": 2, "orange": 28, "yellow": 48, "green": 120, "blue": 212, "purple": 275, "pink": 330}  # degrees
COLOUR_WORDS = {*HUES, "black", "white", "brown", "grey", "light"}
HELD_OUT_BY_NAME = {"red apple": ("blue", "purple")}  # the others are drawn by lot
_BAND = 24  # degrees either side of the main hue that belong to it
_NO_GROUPS = ("face", "heart", "geometric", "emotion", "sky", "hand", "body", "person", "cat", "monkey")


@final
@dataclass(frozen=True, slots=True)
class Recolouring:
    """One drawing in another colour.

    Attributes:
        concept: Index of the drawing it was made from.
        colour: A key of `HUES`.
        base: The name without its own colour word, e.g. `"apple"` for `"red apple"`.
        held_out: Whether training never sees it.
    """

    concept: int
    colour: str
    base: str
    held_out: bool


def load(work: Path) -> tuple[list[Recolouring], npt.NDArray[np.uint8]]:
    """Read what `main` wrote: the list and the pictures, (recolouring, height, width, channel), RGB."""
    rows = json.loads((work / "data" / "recoloured.json").read_text(encoding="utf-8"))
    return [Recolouring(**row) for row in rows], np.load(work / "data" / "recoloured.npy")


def main_hue(picture: npt.NDArray[np.uint8]) -> tuple[float, npt.NDArray[np.bool_]] | None:
    """The main hue in degrees and the pixels that have it, or None for a drawing of many colours."""
    hue, saturation, value = np.moveaxis(np.asarray(Image.fromarray(picture).convert("HSV"), np.float32), 2, 0)
    degrees = hue * 360 / 256
    drawn = (saturation > 25) | (value < 235)
    coloured = (saturation > 110) & (value > 110)
    if coloured.sum() < 0.12 * coloured.size:
        return None
    weights, edges = np.histogram(degrees[coloured], bins=36, range=(0, 360))
    smooth = weights + np.roll(weights, 1) + np.roll(weights, -1)
    centre = float(edges[int(smooth.argmax())]) + 5
    apart = np.abs((degrees - centre + 180) % 360 - 180)
    mine = (apart < _BAND) & (saturation > 40)
    return (centre, mine) if mine.sum() > 0.8 * drawn.sum() else None


def turn(
    picture: npt.NDArray[np.uint8], hue: float, mine: npt.NDArray[np.bool_], target: float
) -> npt.NDArray[np.uint8]:
    """`picture` with the pixels `mine` turned from `hue` to `target` (degrees), their shading kept."""
    hsv = np.asarray(Image.fromarray(picture).convert("HSV"), np.float32).copy()
    turned = (hsv[..., 0] + (target - hue) * 256 / 360) % 256
    hsv[..., 0] = np.where(mine, turned, hsv[..., 0])
    return np.asarray(Image.fromarray(hsv.round().clip(0, 255).astype(np.uint8), "HSV").convert("RGB"))


def colour_name(hue: float) -> str:
    """The colour word nearest to a hue in degrees."""
    return min(HUES, key=lambda colour: abs((HUES[colour] - hue + 180) % 360 - 180))


def _bases(concepts: list[data.Concept]) -> dict[str, str]:
    """Name -> name without colour words."""
    return {
        concept.name: " ".join(word for word in concept.name.split() if word not in COLOUR_WORDS) or concept.name
        for concept in concepts
    }


def choose(
    concepts: list[data.Concept], pictures: npt.NDArray[np.uint8], *, seed: int, trained: int = 3
) -> tuple[list[Recolouring], list[npt.NDArray[np.uint8]]]:
    """Recolour every drawing of one main colour: `trained` colours to learn and two held out."""
    names, bases = {concept.name for concept in concepts}, _bases(concepts)
    chosen, drawn = [], []
    for index, concept in enumerate(concepts):
        found = None if concept.group.startswith(_NO_GROUPS) else main_hue(pictures[index])
        base = bases[concept.name]
        if found is None or (base != concept.name and base in names):
            continue
        free = [
            colour
            for colour, hue in HUES.items()
            if abs((hue - found[0] + 180) % 360 - 180) > 40 and f"{colour} {base}" not in names
        ]
        random.Random(f"{seed} {concept.name}").shuffle(free)  # noqa: S311 - a lottery, not a secret
        first = HELD_OUT_BY_NAME.get(concept.name, ())
        free.sort(key=lambda colour: colour not in first)
        for place, colour in enumerate(free[: 2 + trained]):
            chosen.append(Recolouring(index, colour, base, held_out=place < 2))
            drawn.append(turn(pictures[index], *found, HUES[colour]))
    return chosen, drawn


def main() -> None:
    """Write `data/recoloured.json` and `data/recoloured.npy` into the work folder."""
    parser = plain_options(__doc__)
    parser.add_argument("--seed", type=int, default=0, help="which colours are held out (default: %(default)s)")
    arguments = parser.parse_args()
    concepts, pictures = data.load(arguments.work)
    chosen, drawn = choose(concepts, pictures, seed=arguments.seed)
    rows = json.dumps([asdict(one) for one in chosen], indent=1)
    (arguments.work / "data" / "recoloured.json").write_text(rows, encoding="utf-8")
    np.save(arguments.work / "data" / "recoloured.npy", np.stack(drawn) if drawn else pictures[:0])
    print(f"{len({one.concept for one in chosen})} drawings of one colour, {len(chosen)} recoloured")


if __name__ == "__main__":
    main()
