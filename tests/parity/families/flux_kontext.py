"""A tiny random model of FLUX.1 Kontext, and what diffusers draws with it."""

from __future__ import annotations

import copy
from pathlib import Path

import diffusers
import torch
from drawn_by_families import module_of

BASE = module_of(Path(__file__).with_name("flux.py"))
NAME = "flux"
VARIANTS = ("-kontext",)
PROMPTS = ["make it snow", "turn it blue", "as a drawing"]
PICTURE_OPTIONS = {}
SIZED = True  # a picture alone would be taken for one of the sizes that the published model was trained at


def build(folder, *, tokenizer, perturb, variant):  # noqa: ARG001 - there is one
    """The dev model's source under another name."""
    index = BASE.build(folder, tokenizer=tokenizer, perturb=perturb, variant="-dev")
    return {**index, "_class_name": "FluxKontextPipeline"}


def options(*, guidance, negative_prompt, variant):  # noqa: ARG001 - there is one
    """As of the dev model."""
    return BASE.options(guidance=guidance, negative_prompt=negative_prompt, variant="-dev")


def reference(pipeline, *, size, batch, guidance, negative, image, steps, variant):  # noqa: ARG001 - as above
    """Final latents and pictures as diffusers has them."""
    drawer = diffusers.FluxKontextPipeline(**{**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)})
    drawer.set_progress_bar_config(disable=True)
    packed = drawer(
        image=image,
        prompt=PROMPTS[:batch],
        negative_prompt=None if negative is None else [negative] * batch,
        true_cfg_scale=guidance,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(7 + i) for i in range(batch)],
        output_type="latent",
        width=size[0],
        height=size[1],
        max_area=size[0] * size[1],  # else as many pixels as the published model was trained with
        _auto_resize=False,
    ).images
    latents = drawer._unpack_latents(packed, size[1], size[0], drawer.vae_scale_factor)
    with torch.no_grad():
        config = pipeline.vae.config
        decoded = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")
