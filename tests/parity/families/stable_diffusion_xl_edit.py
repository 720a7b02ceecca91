"""A tiny random model like CosXL's, which edits pictures, and what diffusers draws with it."""

from __future__ import annotations

import copy
from pathlib import Path

import diffusers
import torch
from drawn_by_families import module_of

BASE = module_of(Path(__file__).with_name("stable_diffusion_xl.py"))
NAME = "stable-diffusion-xl"
VARIANTS = ("-edit",)
PROMPTS = ["make it snow", "turn it blue", "as a drawing"]
STARTS = ("image",)
PICTURE_OPTIONS = {}
IMAGE_GUIDANCE = 2.0


def build(folder, *, tokenizer, perturb, variant):  # noqa: ARG001 - there is one
    """The base's source with a U-Net of eight channels."""
    index = BASE.build(folder, tokenizer=tokenizer, perturb=perturb)
    config = diffusers.UNet2DConditionModel.load_config(folder / "unet")
    torch.manual_seed(1)
    perturb(diffusers.UNet2DConditionModel.from_config(config, in_channels=8)).save_pretrained(folder / "unet")
    return {**index, "_class_name": "StableDiffusionXLInstructPix2PixPipeline", "is_cosxl_edit": True}


def load(folder, *, variant):  # noqa: ARG001 - there is one
    """In diffusers."""
    return diffusers.DiffusionPipeline.from_pretrained(folder, add_watermarker=False)


def options(*, guidance, negative_prompt, variant):  # noqa: ARG001 - there is one
    """The picture has a scale of its own where the run is guided."""
    scale = IMAGE_GUIDANCE if guidance > 1 else None
    return {"guidance": guidance, "negative_prompt": negative_prompt, "image_guidance": scale}


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant):  # noqa: ARG001 - as above
    """Final latents and pictures as diffusers has them."""
    drawer = diffusers.StableDiffusionXLInstructPix2PixPipeline(
        **{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)},
        is_cosxl_edit=True,
        add_watermarker=False,
    )
    drawer.set_progress_bar_config(disable=True)
    latents = drawer(
        prompt=PROMPTS[:batch],
        image=[image] * batch,
        negative_prompt=None if negative is None else [negative] * batch,
        num_inference_steps=steps,
        guidance_scale=guidance,
        image_guidance_scale=IMAGE_GUIDANCE,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
