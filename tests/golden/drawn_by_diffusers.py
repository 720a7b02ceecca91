"""Pictures as diffusers draws them: what the parity test compares with, and what the goldens of pipelines keep."""

from __future__ import annotations

import copy
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

SEED = 7
STRENGTH = 0.6
PROMPTS = ["a red apple", "a fox face", "a sailboat"]
SAMPLERS: dict[str | None, tuple[Any, dict[str, Any]] | None] = {
    None: None,
    "ddim": (diffusers.DDIMScheduler, {}),
    "ddpm": (diffusers.DDPMScheduler, {}),
    "euler": (diffusers.EulerDiscreteScheduler, {}),
    "euler_a": (diffusers.EulerAncestralDiscreteScheduler, {}),
    "heun": (diffusers.HeunDiscreteScheduler, {}),
    "dpmpp_2m": (diffusers.DPMSolverMultistepScheduler, {}),
    "dpmpp_2m_karras": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "lcm": (diffusers.LCMScheduler, {}),
}


def drawn(
    pipeline: diffusers.StableDiffusionPipeline,
    *,
    sampler: str | None,
    steps: int,
    guidance: float,
    batch: int,
    size: tuple[int, int],
    image: Image.Image | None,
) -> tuple[np.ndarray, list[Image.Image]]:
    """The final latents and the pictures of the first prompts, from an image of that size or from nothing."""
    scheduler, chosen = pipeline.scheduler, SAMPLERS[sampler]
    if chosen is not None:
        scheduler = chosen[0].from_config(scheduler.config, **chosen[1])
    kind = diffusers.StableDiffusionPipeline if image is None else diffusers.StableDiffusionImg2ImgPipeline
    parts = {**pipeline.components, "scheduler": copy.deepcopy(scheduler)}
    drawer = kind(**parts, requires_safety_checker=False)
    drawer.set_progress_bar_config(disable=True)
    place: dict[str, Any] = {"width": size[0], "height": size[1]}
    latents: torch.Tensor = drawer(
        prompt=PROMPTS[:batch],
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(SEED + i) for i in range(batch)],
        output_type="latent",
        **(place if image is None else {"image": image, "strength": STRENGTH}),
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
