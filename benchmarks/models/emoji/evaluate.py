"""Step 10: does it draw what was asked? Nearest drawing in pixel space, one seed.

    python -m benchmarks.models.emoji.evaluate --work DIR --pipeline DIR/final/emoji --out metrics.json

`--pipeline` may also be a bundle of edgediff; `compare.py` measures both and how far they are apart.
A picture is right when, of all drawings and their mirror images, the nearest one by squared error is the asked one;
under a keyword, when the nearest drawing carries that keyword. Asked are

- `names`: every plain name;
- `unseen_templates`: names in wordings that training never had (`captions.UNSEEN_TEMPLATES`);
- `synonyms`: trained keywords that at most three drawings share, on their own;
- `unseen_synonyms`: keywords never trained with that drawing; strictly the drawing itself counts;
- `colours`, `unseen_colours`: recolourings trained and never trained, against all drawings and all recolourings;
- `..._psnr`: mean dB to the asked drawing; `seed_distance`: dB between two seeds of one name (lower: they differ more).
- `autoencoder_psnr`, of a pipeline alone: dB of all drawings, encoded and decoded.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from benchmarks.models.emoji import autoencoder, data, recolour
from benchmarks.models.emoji.artists import TorchArtist, open_artist
from benchmarks.models.emoji.budget import plain_options
from benchmarks.models.emoji.captions import UNSEEN_TEMPLATES, Captions


@final
@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and the indices of the pictures that answer it."""

    prompt: str
    right: frozenset[int]


@final
class Album:
    """All pictures an answer may be nearest to: the drawings, then the recolourings; each also mirrored."""

    def __init__(self, pictures: Tensor) -> None:
        flat = pictures.float().flatten(1) / 255
        mirrored = pictures.flip(2).float().flatten(1) / 255
        self._both = torch.stack([flat, mirrored])
        self._square = self._both.square().sum(2)

    def errors(self, drawn: Tensor) -> Tensor:
        """Mean squared errors (drawn, picture), the better of both sides; `drawn` is (n, h, w, c) in [0, 1]."""
        flat = drawn.flatten(1)
        error = self._square[:, None] - 2 * flat @ self._both.transpose(1, 2) + flat.square().sum(1)[None, :, None]
        return error.amin(0) / flat.shape[1]


def questions(work: Path, *, limit: int, seed: int) -> dict[str, list[Question]]:
    """The questions by kind, at most `limit` of each kind but names."""
    concepts, _ = data.load(work)
    coloured, _ = recolour.load(work)
    captions, dice = Captions(concepts), random.Random(seed)  # noqa: S311 - which questions are asked
    shared = Counter(word for one in concepts for word in one.keywords)
    names = [Question(one.name, frozenset({index})) for index, one in enumerate(concepts)]
    carriers = {word: frozenset(i for i, one in enumerate(concepts) if word in one.keywords) for word in shared}
    trained = sorted({word for i in range(len(concepts)) for word in captions.keywords(i) if shared[word] <= 3})
    kinds = {
        "unseen_templates": [Question(dice.choice(UNSEEN_TEMPLATES).format(one.prompt), one.right) for one in names],
        "synonyms": [Question(word, carriers[word]) for word in trained],
        "unseen_synonyms": [
            Question(one.held_out, frozenset({index})) for index, one in enumerate(concepts) if one.held_out
        ],
    }
    for kind, held in (("colours", False), ("unseen_colours", True)):
        kinds[kind] = [
            Question(f"{one.colour} {one.base}", frozenset({len(concepts) + place}))
            for place, one in enumerate(coloured)
            if one.held_out == held
        ]
    return {"names": names, **{kind: dice.sample(asked, min(limit, len(asked))) for kind, asked in kinds.items()}}


def grade(drawn: Tensor, album: Album, asked: list[Question], *, among: int) -> tuple[float, float]:
    """Share of right pictures, the first `among` of the album being the choice, and mean dB to the right picture."""
    error = album.errors(drawn)[:, :among]
    right = [int(nearest) in one.right for nearest, one in zip(error.argmin(1), asked, strict=True)]
    best = torch.stack([row[sorted(one.right)].min() for row, one in zip(error, asked, strict=True)])
    return float(np.mean(right)), float((-10 * best.log10()).mean())


def evaluate(work: Path, folder: Path, *, steps: int, guidance: float, limit: int, seed: int) -> dict[str, float]:
    """All figures of the module's docstring."""
    drawings, coloured = data.load(work)[1], recolour.load(work)[1]
    album = Album(torch.from_numpy(np.concatenate([drawings, coloured])))
    artist = open_artist(folder, steps=steps, guidance=guidance)
    figures: dict[str, float] = {"drawings": len(drawings), "steps": steps, "guidance": guidance, "seed": seed}
    for kind, asked in questions(work, limit=limit, seed=seed).items():
        if not asked:
            continue
        started = time.monotonic()
        among = len(drawings) + (len(coloured) if "colours" in kind else 0)
        drawn = artist.draw([one.prompt for one in asked], seed=seed)
        figures[kind], decibel = grade(drawn, album, asked, among=among)
        figures[f"{kind}_asked"] = len(asked)
        figures[f"{kind}_psnr"] = decibel
        print(
            f"{kind} {figures[kind]:.3f} of {len(asked)}, {decibel:.1f} dB, {time.monotonic() - started:.0f} s",
            flush=True,
        )
    some = [one.name for one in data.load(work)[0]][:: max(1, len(drawings) // 64)]
    first, second = (artist.draw(some, seed=seed + 1 + place) for place in range(2))
    figures["seed_distance"] = float((-10 * (first - second).square().mean((1, 2, 3)).log10()).mean())
    if isinstance(artist, TorchArtist):
        figures["autoencoder_psnr"] = autoencoder.evaluate(artist.autoencoder, torch.from_numpy(drawings))
    return figures


def main() -> None:
    """Write the figures as JSON and print them."""
    parser = plain_options(__doc__)
    parser.add_argument("--pipeline", type=Path, required=True, help="the folder of a pipeline or a bundle")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the figures")
    parser.add_argument("--steps", type=int, default=20, help="(default: %(default)s; few-step model: 4)")
    parser.add_argument("--guidance", type=float, default=2.5, help="(default: %(default)s; few-step model: 1)")
    parser.add_argument(
        "--limit", type=int, default=400, help="questions of each kind but names (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    arguments = parser.parse_args()
    figures = evaluate(
        arguments.work, arguments.pipeline,
        steps=arguments.steps, guidance=arguments.guidance, limit=arguments.limit, seed=arguments.seed,
    )  # fmt: skip
    arguments.out.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
