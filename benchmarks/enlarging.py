"""Seams of pictures that are enlarged in tiles: how much larger steps are at the tiles' borders than elsewhere.

    python benchmarks/enlarging.py MODEL [--enlarge 4] [--tile 64] [--strengths 0.3] [--prompts 6] [--sheet FILE.png]

Every prompt is drawn once and its picture is then enlarged: by Lanczos alone; whole; in windows that share a half or a
quarter of their side, whose predictions are blended at every step; tile by tile, each a picture of its own, blended
over a quarter of its side, or cut beside each other. *Seam*: the mean step between neighbouring pixels across a tile's
border, over the mean step across the other lines of the latents' grid, over the same of Lanczos, whose steps are the
picture's own; 1 is no seam. *Own*: the deviation from Lanczos, in levels of 255: how much was drawn. Results:
``results/enlarging-MODEL.json``, with the peaks of memory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from harness import machine, run_child, store
from PIL import Image

import edgediff
from edgediff.inspection.contact_sheet import contact_sheet
from edgediff_runtimes.running import windows
from edgediff_runtimes.tensors import Floats

PROMPTS = ("a red apple", "a sailboat", "a fox face", "a house", "a sunflower", "a snowman")
SEED = 3
Enlarged: TypeAlias = Callable[[str, Image.Image, float], Image.Image]


class Ways:
    """The ways to enlarge one picture."""

    def __init__(self, pipeline: edgediff.Pipeline, given: argparse.Namespace) -> None:
        self.pipeline, self.given = pipeline, given
        self.factor = pipeline.bundle.manifest.recipe.first.space.factor

    def all(self) -> dict[str, Enlarged]:
        """By name."""
        side = self.given.tile
        return {
            "whole": partial(self.drawn, tile=None, shared=2),
            "windows, half shared": partial(self.drawn, tile=side, shared=2),
            "windows, quarter shared": partial(self.drawn, tile=side, shared=4),
            "tile by tile, quarter shared": partial(self.tiles, shared=side // 4),
            "tile by tile, nothing shared": partial(self.tiles, shared=0),
        }

    def lanczos(self, image: Image.Image) -> Image.Image:
        """Enlarged and not drawn anew."""
        sides = (int(side * self.given.enlarge) for side in image.size)
        return image.resize((next(sides), next(sides)), Image.Resampling.LANCZOS)

    def drawn(self, prompt: str, image: Image.Image, strength: float, *, tile: int | None, shared: int) -> Image.Image:
        """As the pipeline does it."""
        windows.SHARED = shared
        options = {"image": image, "enlarge": self.given.enlarge, "strength": strength, "tile": tile, "seed": SEED}
        return self.pipeline(prompt, **options).images[0]

    def tiles(self, prompt: str, image: Image.Image, strength: float, *, shared: int) -> Image.Image:
        """Each tile from noise of its own to a picture, and these blended."""
        large, side = np.asarray(self.lanczos(image)), self.given.tile
        total, weights = np.zeros(large.shape, np.float32), np.zeros((*large.shape[:2], 1), np.float32)
        ramp = _ramp(side, shared)
        for top, left in self.places(large.shape[0], large.shape[1], shared=shared):
            cut = Image.fromarray(large[top : top + side, left : left + side])
            made = self.pipeline(prompt, image=cut, strength=strength, seed=SEED).images[0]
            place = slice(top, top + side), slice(left, left + side)
            total[place] += np.asarray(made, np.float32) * ramp
            weights[place] += ramp
        return Image.fromarray((total / weights).round().astype(np.uint8))

    def places(self, height: int, width: int, *, shared: int) -> list[tuple[int, int]]:
        """Top and left of each tile."""
        side = self.given.tile
        return [
            (min(top, height - side), min(left, width - side))
            for top in range(0, height - shared, side - shared)
            for left in range(0, width - shared, side - shared)
        ]

    def borders(self, name: str, length: int) -> set[int]:
        """Where the tiles of a way begin and end along a side, in pixels."""
        side = self.given.tile
        if name.startswith("tile"):
            shared = side // 4 if "quarter" in name else 0
            starts = {left for _, left in self.places(side, length, shared=shared)}
        else:
            windows.SHARED = 4 if "quarter" in name else 2
            entries = side // self.factor
            made = windows.Windows.over((entries, length // self.factor), (entries, entries), step=1)
            starts = {start * self.factor for start in made.columns}
        return {edge for start in starts for edge in (start, start + side)} - {0, length}


def _ramp(side: int, shared: int) -> Floats:
    rising = (np.arange(side, dtype=np.float32) + 0.5) / max(shared, 1)
    along = np.minimum(np.minimum(rising, rising[::-1]), 1)
    return (along[:, None] * along)[..., None]


def seam(image: Image.Image, borders: set[int], factor: int) -> float:
    """The mean step across the borders, over that across all lines on the latents' grid."""
    pixels = np.asarray(image, np.float32)
    found = []
    for array in (pixels, pixels.transpose(1, 0, 2)):
        steps = np.abs(np.diff(array, axis=1)).mean(axis=(0, 2))
        lines = [line for line in range(factor, array.shape[1], factor) if line not in borders]
        found.append((steps[[line - 1 for line in sorted(borders)]].mean(), steps[[line - 1 for line in lines]].mean()))
    return float(np.mean([at for at, _ in found]) / np.mean([else_ for _, else_ in found]))


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Seam and own share of each way at each strength, means over the prompts."""
    results: dict[str, Any] = {}
    rows: list[tuple[Image.Image, str]] = []
    with edgediff.load(given.model) as pipeline:
        ways = Ways(pipeline, given)
        first = {prompt: pipeline(prompt, seed=SEED).images[0] for prompt in PROMPTS[: given.prompts]}
        rows += [(ways.lanczos(image), "lanczos") for image in list(first.values())[: given.shown]]
        for strength in given.strengths:
            for name, enlarged in ways.all().items():
                made = {prompt: enlarged(prompt, image, strength) for prompt, image in first.items()}
                length = next(iter(made.values())).width
                borders = ways.borders(name, length)
                plain = {prompt: ways.lanczos(image) for prompt, image in first.items()}
                seams = [seam(made[one], borders, ways.factor) / seam(plain[one], borders, ways.factor) for one in made]
                own = [np.abs(np.asarray(made[one], np.float32) - np.asarray(plain[one])).mean() for one in made]
                results[f"{strength:g}, {name}"] = {"seam": float(np.mean(seams)), "own": float(np.mean(own))}
                print(f"{strength:g}, {name}: seam {np.mean(seams):.3f}, own {np.mean(own):.2f}", flush=True)
                rows += [(image, f"{strength:g} {name}") for image in list(made.values())[: given.shown]]
    if given.sheet is not None:
        contact_sheet(rows).save(given.sheet)
    return results


def memory(given: argparse.Namespace) -> dict[str, int]:
    """Private bytes at the peak of a process that draws once: the picture as it is, enlarged whole, and in tiles."""
    found = {}
    for name, tile in (("drawn", -1), ("whole", 0), ("tiles", given.tile)):
        words = [given.model, f"--enlarge={given.enlarge}", f"--child={tile}"]
        found[name] = run_child([__file__, *words]).peak_anonymous
        print(name, found[name], flush=True)
    return found


def draw_once(given: argparse.Namespace) -> None:
    """In this process; a tile of 0 is the whole, and of -1 a picture that is not enlarged."""
    options = {} if given.child < 0 else {"enlarge": given.enlarge, "tile": given.child or None}
    with edgediff.load(given.model) as pipeline:
        print(json.dumps({"steps": len(pipeline(PROMPTS[0], seed=SEED, **options).timings.steps_s)}))


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--enlarge", type=float, default=4)
    parser.add_argument("--tile", type=int, default=64)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.2, 0.3, 0.5])
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--shown", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=len(PROMPTS))
    parser.add_argument("--child", type=int)
    given = parser.parse_args()
    if given.child is not None:
        draw_once(given)
        return
    asked = {name: getattr(given, name) for name in ("enlarge", "tile", "strengths", "prompts")}
    results = {"results": measure(given), "peak_private_bytes": memory(given)}
    store(f"enlarging-{Path(given.model).name}", {"machine": machine(), **asked, **results})


if __name__ == "__main__":
    main()
