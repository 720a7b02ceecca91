"""stable-diffusion.cpp through its Python package, fp32 weights. It knows the shapes of released models only."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

from driving import PROMPT, SEED, Picture
from stable_diffusion_cpp import StableDiffusion

VERSIONS = {"stable-diffusion-cpp-python": version("stable-diffusion-cpp-python")}


def load(job: dict[str, Any]) -> Callable[..., Picture]:
    """The same files that diffusers reads, the weights as they are; normals as PyTorch draws them on a CPU."""
    model = StableDiffusion(
        model_path=job["pipeline"],
        n_threads=job["threads"],
        wtype="f32",
        rng_type="cpu",
        vae_decode_only=True,
        verbose=False,
    )
    return partial(_draw, model)


def _draw(model: StableDiffusion, *, width: int, height: int, steps: int, guidance: float) -> Picture:
    ends: list[float] = []
    images = model.generate_image(
        PROMPT,
        width=width,
        height=height,
        sample_steps=steps,
        cfg_scale=guidance,
        sample_method="euler",
        scheduler="discrete",
        seed=SEED,
        progress_callback=lambda step, total, _: ends.append(time.perf_counter()) if total == steps and step else None,
    )
    return Picture(ends, [], images[0].save)
