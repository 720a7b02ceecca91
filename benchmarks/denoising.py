"""How well a diffusion model takes noise out of a picture: PSNR before and after, on pictures whose noise is known.

    python benchmarks/denoising.py WORK [--training-steps 1400]

Trains a small DDPM of 32x32 pixels on drawn scenes (once; it stays in WORK), exports it, and denoises scenes that it
never saw, at several levels, told and estimated. Results: ``results/denoising.json``, ``WORK/denoised.png``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from harness import machine, store
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import edgediff
from edgediff.inspection.labelled_sheet import labelled_sheet
from edgediff_runtimes.noise.estimate import noise_level_of
from edgediff_runtimes.quality.measures import psnr_db
from edgediff_runtimes.settings import Options

SIDE, BATCH, PICTURES = 32, 8, 32
TRAINED = 400  # of 1000 time steps: there is no more noise than that in what is denoised
LEVELS = (0.05, 0.1, 0.2)  # black is 0, white is 1
SHOWN = 6
UNET = {
    "sample_size": SIDE,
    "block_out_channels": (16, 32, 32),
    "down_block_types": ("DownBlock2D",) * 3,
    "up_block_types": ("UpBlock2D",) * 3,
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": 16,
}


def scene(seed: int) -> NDArray[np.float32]:
    """A shaded background and some discs, bars and stripes on it: ``(height, width, 3)`` from 0.1 to 0.9."""
    rng = np.random.default_rng(seed)
    scale = 2  # drawn larger and averaged, so that contours are smooth
    y, x = np.mgrid[0 : SIDE * scale, 0 : SIDE * scale] / (SIDE * scale)
    ends = rng.uniform(0.1, 0.9, (2, 3))
    shade = (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1))[..., None]
    picture = ends[0] + (ends[1] - ends[0]) * np.clip(shade, 0, 1)
    for _ in range(rng.integers(2, 6)):
        place, size, angle = rng.uniform(0, 1, 2), rng.uniform(0.08, 0.3), rng.uniform(0, np.pi)
        along = (x - place[0]) * np.cos(angle) + (y - place[1]) * np.sin(angle)
        across = (y - place[1]) * np.cos(angle) - (x - place[0]) * np.sin(angle)
        inside = (along**2 + across**2 < size**2, (abs(along) < size) & (abs(across) < size / 3))[rng.integers(2)]
        if rng.random() < 0.2:
            inside &= np.sin(along * 2 * np.pi / 0.12) > 0
        picture = np.where(inside[..., None], rng.uniform(0.1, 0.9, 3), picture)
    small = picture.reshape(SIDE, scale, SIDE, scale, 3).mean(axis=(1, 3))
    return small.astype(np.float32)


def train(folder: Path, *, steps: int) -> float:
    """Train and save the pipeline, most of all for little noise. Seconds."""
    torch.manual_seed(0)
    rng, began = np.random.default_rng(0), time.monotonic()
    unet, scheduler = diffusers.UNet2DModel(**UNET), diffusers.DDPMScheduler()
    averaged = diffusers.training_utils.EMAModel(unet.parameters(), decay=0.998)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        pictures = np.stack([scene(int(seed)) for seed in rng.integers(1 << 20, 1 << 40, BATCH)])
        clean = torch.from_numpy(pictures.transpose(0, 3, 1, 2) * 2 - 1)
        noise = torch.randn_like(clean)
        t = (torch.rand(BATCH) ** 2 * TRAINED).long()
        loss = (unet(scheduler.add_noise(clean, noise, t), t).sample - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        averaged.step(unet.parameters())
        if step % 50 == 0:
            print(f"{step}: {loss.item():.4f}, {time.monotonic() - began:.0f} s", flush=True)
    averaged.copy_to(unet.parameters())
    diffusers.DDPMPipeline(unet=unet.eval(), scheduler=scheduler).save_pretrained(folder)
    return time.monotonic() - began


def step_of(level: float) -> int:
    """The time step of the noise level, twice as large where black is -1."""
    kept = diffusers.DDPMScheduler().alphas_cumprod.numpy()
    return int(np.abs(np.sqrt((1 - kept) / kept) - 2 * level).argmin())


def ways(level: float) -> dict[str, Options]:
    """How it is denoised, by name."""
    return {
        "ddpm, 1000 steps": {"sampler": "ddpm", "steps": 1000},
        "ddim, 100 steps": {"sampler": "ddim", "steps": 100},
        "one call": {"sampler": "ddpm", "sampler_options": {"timesteps": [step_of(level)]}},
    }


def row(pipeline: edgediff.Pipeline, level: float, sheets: dict[str, list[Image.Image]]) -> dict[str, Any]:
    """Mean PSNR before and after, and what was estimated."""
    found: dict[str, list[float]] = {}
    estimates = []
    for index in range(PICTURES):
        clean = scene(index)
        noise = np.random.default_rng(1000 + index).standard_normal(clean.shape)
        expected, noisy = (np.uint8((array * 255).round().clip(0, 255)) for array in (clean, clean + level * noise))
        estimates.append(noise_level_of(noisy.transpose(2, 0, 1).astype(np.float32) / 255))
        picture = Image.fromarray(noisy)
        drawn = {"before": picture, "median of 3x3": picture.filter(ImageFilter.MedianFilter(3))}
        for name, options in ways(level).items():
            drawn[name] = pipeline(denoise=picture, noise_level=level, seed=index, **options).images[0]
        drawn["ddim, level estimated"] = pipeline(denoise=picture, seed=index, sampler="ddim", steps=100).images[0]
        for name, image in drawn.items():
            found.setdefault(name, []).append(psnr_db(expected, np.asarray(image)))
        if index < SHOWN and level == LEVELS[1]:
            for name, image in {"clean": Image.fromarray(expected), **drawn}.items():
                sheets.setdefault(name, []).append(image)
    means = {name: round(float(np.mean(values)), 2) for name, values in found.items()}
    return {
        "psnr_db": means,
        "estimated": {"mean": round(float(np.mean(estimates)), 4), "std": float(np.std(estimates))},
    }


def main() -> None:
    """Train, export, measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--training-steps", type=int, default=1400)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    told = given.work / "trained.json"
    if not told.exists():
        seconds = train(given.work / "source", steps=given.training_steps)
        told.write_text(json.dumps({"steps": given.training_steps, "batch": BATCH, "seconds": round(seconds)}))
    if not (given.work / "bundle").exists():
        edgediff.export(given.work / "source", given.work / "bundle")
    result: dict[str, Any] = {"machine": machine(), "training": json.loads(told.read_text()), "pictures": PICTURES}
    sheets: dict[str, list[Image.Image]] = {}
    with edgediff.load(given.work / "bundle") as pipeline:
        for level in LEVELS:
            result[f"level {level:g}"] = row(pipeline, level, sheets)
            print(level, result[f"level {level:g}"], flush=True)
    print(store("denoising", result))
    title = f"noise of {LEVELS[1]:g}, where white is 1"
    sheet = labelled_sheet(list(sheets.values()), columns=[""] * SHOWN, rows=list(sheets), title=title)
    sheet.save(given.work / "denoised.png")


if __name__ == "__main__":
    main()
