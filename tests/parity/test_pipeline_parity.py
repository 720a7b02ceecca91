"""One seed, one picture: the exported bundle without PyTorch against diffusers with it, on trained weights, in fp32.

Bounds: final latents 1e-3 (their deviation is about 1), pictures 2/255.
"""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch
from drawn_by_diffusers import PROMPTS, SAMPLERS, SEED, STRENGTH, drawn
from PIL import Image

import edgediff

# diffusers' own schedulers still use what NumPy deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers")

STEPS = 6
# guidance, batch, size: each pair of values of any two occurs
PLANS = [(1.0, 1, (64, 64)), (1.0, 3, (96, 72)), (5.0, 1, (96, 72)), (5.0, 3, (64, 64))]


@pytest.fixture(scope="module")
def torch_pipeline(source):
    torch.set_num_threads(1)  # the model is too small to share
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(source)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def pipeline(bundle):
    with edgediff.load(bundle) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def picture():
    """A picture with edges and gradients, not of the model's own making."""
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)
    disc = ((x - 48) ** 2 + (y - 40) ** 2 < 900)[..., None]
    shade = np.stack([220 - y, 40 + x, 60 + (x + y) / 2], axis=-1)
    return Image.fromarray(np.where(disc, shade, 255).astype(np.uint8))


@pytest.mark.parametrize("image_to_image", [False, True], ids=["text-to-image", "image-to-image"])
@pytest.mark.parametrize(("guidance", "batch", "size"), PLANS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_same_seed_same_picture(torch_pipeline, pipeline, picture, sampler, size, batch, guidance, image_to_image):
    image = picture.resize(size, Image.Resampling.LANCZOS) if image_to_image else None
    options = {"sampler": sampler, "steps": STEPS, "guidance": guidance}
    latents, images = drawn(torch_pipeline, batch=batch, size=size, image=image, **options)
    result = pipeline(
        PROMPTS[:batch],
        seed=SEED,
        width=size[0],
        height=size[1],
        **options,
        **({"image": picture, "strength": STRENGTH} if image_to_image else {}),
    )
    assert result.latents.shape == latents.shape
    assert np.abs(result.latents - latents).max() <= 1e-3
    assert np.abs(latents).max() > 0.5
    for ours, theirs in zip(result.images, images, strict=True):
        assert np.abs(np.asarray(ours, np.int16) - np.asarray(theirs, np.int16)).max() <= 2
