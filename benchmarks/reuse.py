"""Fewer network calls: how near reuse of predictions, fewer steps and less guidance come to making all of them.

    python benchmarks/reuse.py [--model emoji] [--prompts FILE] [--pictures 20] [--guidance 2.5 7.5]

Against the model's own schedule with all calls, and against DPM++ 2M with 50 steps, which stands for the exact solution
of the model's equation: PSNR in dB and SSIM, mean over the pictures and mean of the worst tenth. *Work* is the share of
the full run's network evaluations, a guided call being two. Results: ``results/reuse-MODEL.json``; nothing is timed.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from harness import machine, store
from numpy.typing import NDArray

import edgediff
from edgediff_runtimes.quality.making import pixels_of
from edgediff_runtimes.quality.measures import psnr_db, ssim
from edgediff_runtimes.quality.prompts import call_of, read_prompts
from edgediff_runtimes.running.reusing import options_measured
from edgediff_runtimes.settings import Options
from edgediff_runtimes.tuning.runs import Subject
from edgediff_runtimes.tuning.searching import worst_tenth
from edgediff_runtimes.tuning.tuning import subjects_of

EVALUATED = Path(__file__).parent / "models" / "emoji" / "tuned_evaluated.txt"
EXACT: Options = {"sampler": "dpmpp_2m", "steps": 50}
EVEN, STEPS, AYS, EVERY = (11, 8), (15, 11, 8), (10, 8), (2,)


def ways(pipeline: edgediff.Pipeline, guidance: float) -> Iterator[tuple[str, float, Options]]:
    """What is compared: a name, its work, and the options that make it."""
    total = pipeline.bundle.manifest.defaults.steps
    for proof in pipeline.bundle.manifest.reuse:
        if proof.guidance == guidance:
            made = len(proof.schedule.made)
            yield f"reuse tuned {made}", made / total, {**options_measured(proof), "reuse": proof.orders}
    for made in EVEN:
        yield f"reuse even {made}", made / total, {"reuse": made}
    for steps in STEPS:
        yield f"steps {steps}", steps / total, {"steps": steps}
    for steps in AYS:
        yield f"dpmpp_2m_ays {steps}", steps / total, {"sampler": "dpmpp_2m_ays", "steps": steps}
    for every in EVERY:
        guided = -(-total // every)
        yield f"reuse_guidance {every}", (total + guided) / (2 * total), {"reuse_guidance": every}


def drawn(pipeline: edgediff.Pipeline, subjects: tuple[Subject, ...], options: Options) -> list[NDArray[np.uint8]]:
    """A picture of each subject, drawn alone."""
    pictures = []
    for subject in subjects:
        prompt, others = call_of(pipeline.bundle.manifest.recipe, subject.text)
        call: Options = {**options, **others, "seed": subject.seed}
        pictures.append(pixels_of(pipeline(prompt, **call)))
    return pictures


def nearness(pictures: list[NDArray[np.uint8]], others: list[NDArray[np.uint8]]) -> dict[str, float]:
    """Mean and worst tenth of PSNR, and SSIM."""
    db = [psnr_db(one, other) for one, other in zip(others, pictures, strict=True)]
    structural = [ssim(one, other) for one, other in zip(others, pictures, strict=True)]
    return {
        "psnr_db": round(float(np.mean(db)), 2),
        "psnr_db_worst_tenth": round(worst_tenth(db), 2),
        "ssim": round(float(np.mean(structural)), 5),
    }


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="emoji", help="a shipped model, or a bundle's directory")
    parser.add_argument("--prompts", type=Path, default=EVALUATED)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--guidance", type=float, nargs="+", default=(2.5, 7.5))
    given = parser.parse_args()
    subjects = subjects_of(read_prompts(given.prompts, setting="prompts"), given.pictures, calibration=False)
    result: dict[str, Any] = {"machine": machine(), "model": Path(given.model).name, "pictures": len(subjects)}
    result["subjects"] = [dataclasses.asdict(subject) for subject in subjects]
    with edgediff.load(given.model) as pipeline:
        result["fingerprint"] = pipeline.fingerprint
        for guidance in given.guidance:
            scale: Options = {"guidance": guidance}
            full, exact = (drawn(pipeline, subjects, {**scale, **options}) for options in ({}, EXACT))
            rows = result[f"guidance {guidance:g}"] = {"all calls": {"work": 1.0, "from_exact": nearness(full, exact)}}
            for name, work, options in ways(pipeline, guidance):
                pictures = drawn(pipeline, subjects, {**scale, **options})
                near = {"from_full": nearness(pictures, full), "from_exact": nearness(pictures, exact)}
                rows[name] = {"work": round(work, 3), **near}
                print(f"{guidance:g} {name}: {rows[name]}", flush=True)
                store(f"reuse-{Path(given.model).name}", result)


if __name__ == "__main__":
    main()
