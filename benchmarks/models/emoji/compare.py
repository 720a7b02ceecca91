"""The same questions and the same noise for torch, for the fp32 bundle and for the bundle that ships.

    python -m benchmarks.models.emoji.compare --work DIR

Of both models: the nearest-drawing metric (`evaluate.py` says what is asked) of each form, and how far each form's
pictures are from torch's. The fp32 bundles are exported on the way. Results, written anew after each form:
`benchmarks/results/emoji_precisions.json`; the share of names goes into the shipped bundles' manifests too.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import machine, store
from benchmarks.models.emoji import data, recolour
from benchmarks.models.emoji.artists import open_artist
from benchmarks.models.emoji.budget import plain_options
from benchmarks.models.emoji.evaluate import Album, Question, grade, questions
from benchmarks.models.emoji.ship import DEFAULTS, PIPELINES, PRECISION, SHIPPED, note_metric, ship
from edgediff_runtimes.quality.measures import psnr_db, ssim

REFERENCE = "torch fp32"


def sampled(work: Path, *, names: int, limit: int) -> dict[str, list[Question]]:
    """The questions by kind: some of the names, and at most `limit` of each other kind."""
    asked = questions(work, limit=limit, seed=0)
    asked["names"] = random.Random(0).sample(asked["names"], min(names, len(asked["names"])))  # noqa: S311 - a choice
    return {kind: some for kind, some in asked.items() if some}


def distance(drawn: Tensor, reference: Tensor) -> dict[str, float]:
    """PSNR in dB and SSIM between pictures (n, height, width, channel) in [0, 1], pair by pair; the share of equals.

    Two equal pictures have 120 dB, and count in the mean.
    """
    pairs = [
        ((a * 255).round().byte().numpy(), (b * 255).round().byte().numpy())
        for a, b in zip(drawn, reference, strict=True)
    ]
    decibels, similar = [psnr_db(*pair) for pair in pairs], [ssim(*pair) for pair in pairs]
    return {
        "equal": float(np.mean([np.array_equal(*pair) for pair in pairs])),
        "psnr_db_mean": float(np.mean(decibels)),
        "psnr_db_worst": min(decibels),
        "ssim_mean": float(np.mean(similar)),
        "ssim_worst": min(similar),
    }


def answers(form: Path, settings: dict[str, float], asked: dict[str, list[Question]]) -> dict[str, Tensor]:
    """What a form of a model draws for each kind of question."""
    artist = open_artist(form, steps=int(settings["steps"]), guidance=settings["guidance"])
    drawn = {}
    for kind, some in asked.items():
        began = time.monotonic()
        drawn[kind] = artist.draw([one.prompt for one in some], seed=0)
        print(f"{form.parent.name}/{form.name} {kind}: {len(some)} in {time.monotonic() - began:.0f} s", flush=True)
    return drawn


def main() -> None:
    """Draw, compare, store."""
    parser = plain_options(__doc__)
    parser.add_argument("--names", type=int, default=300, help="names asked (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=100, help="questions of each other kind (default: %(default)s)")
    parser.add_argument("--models", nargs="+", default=list(DEFAULTS), choices=list(DEFAULTS), help="(default: both)")
    arguments = parser.parse_args()
    drawings, coloured = data.load(arguments.work)[1], recolour.load(arguments.work)[1]
    album = Album(torch.from_numpy(np.concatenate([drawings, coloured])))
    asked = sampled(arguments.work, names=arguments.names, limit=arguments.limit)
    found: dict[str, Any] = {"machine": machine(), "seed": 0, "models": {}}
    fp32 = arguments.work / "fp32"
    fp32.mkdir(exist_ok=True)
    for name in arguments.models:
        forms = {
            REFERENCE: PIPELINES / name,
            "onnx fp32": ship(name, fp32, precision="fp32"),
            f"shipped {PRECISION}": SHIPPED / name,
        }
        figures: dict[str, Any] = {}
        found["models"][name] = {"settings": dict(DEFAULTS[name]), "forms": figures}
        reference: dict[str, Tensor] = {}
        for form, folder in forms.items():
            drawn = answers(folder, dict(DEFAULTS[name]), asked)
            reference = reference or drawn
            figures[form] = {}
            for kind, some in asked.items():
                among = len(drawings) + (len(coloured) if "colours" in kind else 0)
                right, decibel = grade(drawn[kind], album, some, among=among)
                figures[form][kind] = {"asked": len(some), "right": right, "psnr_db_to_drawing": decibel}
            everything = torch.cat(list(drawn.values())), torch.cat(list(reference.values()))
            figures[form]["to_torch"] = distance(*everything)
            print(form, figures[form], flush=True)
            store("emoji_precisions", found)
        exact, shipped = (figures[form]["names"]["right"] for form in ("onnx fp32", f"shipped {PRECISION}"))
        note_metric(SHIPPED / name, fp32=exact, value=shipped)


if __name__ == "__main__":
    main()
