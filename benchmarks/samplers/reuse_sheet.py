"""What reuse of predictions changes: all calls, the bundle's tuned schedule, their difference eightfold.

    python benchmarks/samplers/reuse_sheet.py emoji docs/images/reuse.png

The pictures are the first of those on which the schedules in the manifest were measured, so that they can be looked at
beside their figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import edgediff
from edgediff.inspection.grid import sheet
from edgediff_runtimes.bundle import ProvedReuse
from edgediff_runtimes.picture_files import save_image
from edgediff_runtimes.quality import Reference, call_of
from edgediff_runtimes.running.reusing import options_measured
from edgediff_runtimes.settings import Options
from edgediff_runtimes.settings.options import Reuse
from edgediff_runtimes.tensors import Array

_PICTURES = 6  # of each schedule


def drawn(pipeline: edgediff.Pipeline, proof: ProvedReuse, *, reuse: bool) -> list[Array]:
    """The first pictures of a measured schedule, with it or with all calls."""
    pictures: list[Array] = []
    for one in proof.pictures[:_PICTURES]:
        prompt, options = call_of(pipeline.bundle.manifest.recipe, one.prompt)
        asked: Reuse = len(proof.schedule.made) if reuse else "off"
        call: Options = {**options, **options_measured(proof), "seed": one.seed, "reuse": asked}
        result = pipeline(prompt, **call)
        pictures.append(np.asarray(result.images[0].convert("RGB")))
    return pictures


def main() -> None:
    """Draw one sheet per schedule, one below the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a shipped model, or a bundle's directory")
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    sheets = []
    with edgediff.load(arguments.model) as pipeline:
        if not pipeline.bundle.manifest.reuse:
            parser.error(f"{arguments.model} has no schedule of reuse: `edgediff tune` finds one")
        for proof in pipeline.bundle.manifest.reuse:
            shown = proof.pictures[:_PICTURES]
            reference = Reference(
                prompts=tuple(one.prompt for one in shown),
                seeds=tuple(one.seed for one in shown),
                steps=proof.steps,
                guidance=1.0 if proof.guidance is None else proof.guidance,
                pictures=np.stack(drawn(pipeline, proof, reuse=False)),
                probes=(),
                engine=proof.engine,
            )
            total, made = len(proof.orders), len(proof.schedule.made)
            scale = "" if proof.guidance is None else f", guidance {proof.guidance:g}"
            titles = f"{total} calls{scale}", f"{made} calls"
            sheets.append(np.asarray(sheet(reference, drawn(pipeline, proof, reuse=True), titles=titles)))
    width = max(array.shape[1] for array in sheets)
    padded = [np.pad(array, ((0, 0), (0, width - array.shape[1]), (0, 0)), mode="edge") for array in sheets]

    save_image(Image.fromarray(np.concatenate(padded)), arguments.output, overwrite=True)


if __name__ == "__main__":
    main()
