"""Make ``tests/golden/pipeline/*.npz`` again: what diffusers draws with the weights that the shipped models have.

    python tests/golden/make_pipeline_golden.py

The shipped bundles store matrices in int8 with a scale per output channel and compute in float32 (``w8``), so the
reference is diffusers in float32 with the same matrices rounded that way, by the few lines below and not by the
exporter's. Whole arrays are kept: final latents and decoded pictures.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from drawn_by_diffusers import PROMPTS, SAMPLERS, SEED, STRENGTH, drawn
from PIL import Image

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "benchmarks" / "models" / "emoji" / "pipelines"
TARGETS = Path(__file__).parent / "pipeline"
MATRIX = 2  # axes from which on `w8` rounds a tensor


def picture(width: int, height: int) -> Image.Image:
    """A disc on a shaded ground; the torch-free test draws the same one."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (width / 3) ** 2)[..., None]
    shade = np.stack([220 - y, 40 + x, 60 + (x + y) / 2], axis=-1)
    return Image.fromarray(np.where(disc, shade, 255).astype(np.uint8))


def cases(samplers: list[str | None]) -> list[dict[str, Any]]:
    """Every sampler with either task; guidance, batch and size vary so that each pair of values occurs."""
    listed = []
    for index, sampler in enumerate(samplers):
        for task in (0, 1):
            turn = index + task
            listed.append(
                {
                    "sampler": sampler,
                    "image_to_image": bool(task),
                    "guidance": (1.0, 5.0)[turn % 2],
                    "batch": (1, 3)[(turn // 2) % 2],
                    "size": ((64, 64), (96, 72))[(index // 2 + task) % 2],
                }
            )
    return listed


def round_matrices(module: torch.nn.Module) -> None:
    """What ``w8`` does to a module: torch keeps the output channels of its layers, and a table's rows, first."""
    for parameter in module.parameters():
        if parameter.ndim >= MATRIX:
            step = parameter.data.flatten(1).abs().amax(1).reshape(-1, *[1] * (parameter.ndim - 1)) / 127
            parameter.data = (parameter.data / step).round() * step


def make(name: str, samplers: list[str | None], *, steps: int) -> None:
    """Draw every case with one model and store it."""
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(SOURCES / name)
    for part in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        round_matrices(part)
    arrays = {}
    for index, case in enumerate(cases(samplers)):
        options = {name: value for name, value in case.items() if name != "image_to_image"}
        image = picture(*case["size"]) if case["image_to_image"] else None
        latents, images = drawn(pipeline, steps=steps, image=image, **options)
        arrays[f"latents_{index}"] = latents
        arrays[f"images_{index}"] = np.stack([np.asarray(image) for image in images])
    provenance = {name: version(name) for name in ("torch", "diffusers", "transformers", "numpy")}
    about = {
        "prompts": PROMPTS,
        "steps": steps,
        "seed": SEED,
        "strength": STRENGTH,
        "cases": cases(samplers),
        "made_with": provenance,
    }
    TARGETS.mkdir(exist_ok=True)
    np.savez_compressed(TARGETS / f"{name}.npz", about=np.array(json.dumps(about)), **arrays)
    print(name)  # noqa: T201 - a script reports by printing


if __name__ == "__main__":
    make("emoji", list(SAMPLERS), steps=6)
    make("emoji-lcm", [None, "euler_a"], steps=4)
