"""Pictures and tiny random components for tests of what steers a network, and what is close enough to diffusers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import diffusers
import numpy as np
import torch
from PIL import Image

PROMPTS = ["a red apple", "a fox face"]
SEED, STEPS = 7, 6
# Another than the DDIM that the tiny models are saved with, of which diffusers' pipelines change the config.
SAMPLER = {"sampler": "euler", "sampler_options": {"timestep_spacing": "trailing"}}
BOUNDS = {"onnxruntime": (1e-3, 2), "openvino": (5e-3, 4)}  # of latents, of pictures


def _models():
    spec = importlib.util.spec_from_file_location("models", Path(__file__).with_name("conftest.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODELS = _models()
perturb, build_pipeline = MODELS.perturb, MODELS.build_pipeline


def picture(width=40, height=40, *, turn=0):
    """A disc and a bar on a shaded ground."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < width * height / 9)[..., None]
    ground = np.stack([220 - y, 40 + 2 * x, 60 + x + y], axis=-1)
    drawn = np.where(disc, [250, 240, 10], ground).clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.rot90(drawn, turn).copy())


def write_controlnet(folder, unet, seed, **fields):
    """A ControlNet with random weights, its zero convolutions among them, for the U-Net in a folder."""
    torch.manual_seed(seed)
    module = diffusers.ControlNetModel.from_unet(
        diffusers.UNet2DConditionModel.from_pretrained(unet),
        conditioning_embedding_out_channels=(4, 8),
        load_weights_from_unet=False,
    )
    if fields:
        config = {name: value for name, value in module.config.items() if name != "_use_default_values"}
        module = diffusers.ControlNetModel.from_config({**config, **fields})
    perturb(module).save_pretrained(folder)
    return folder


def with_sampler(parts):
    """The parts of a pipeline of diffusers with a new scheduler of that kind."""
    scheduler = diffusers.EulerDiscreteScheduler.from_config(parts["scheduler"].config, timestep_spacing="trailing")
    return {**parts, "scheduler": scheduler}


def assert_same(result, expected, engine):
    bound, levels = BOUNDS[engine]
    latents, images = expected
    assert result.latents.shape == latents.shape
    assert np.abs(result.latents - latents).max() <= bound * np.abs(latents).max()
    for one, other in zip(result.images, images, strict=True):
        assert np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() <= levels
