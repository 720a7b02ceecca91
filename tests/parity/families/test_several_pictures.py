"""Beside two pictures of other sizes than the run's, as diffusers draws beside a list of them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_by_families import MODELS, SEED
from PIL import Image

import edgediff

MODEL = MODELS["flux2-klein-edit"]
GUIDANCE, STEPS = 4.0, 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning"),
]


def test_both_are_seen(exported_family):
    folder = exported_family(MODEL)
    colours = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    sizes = ((72, 64), (64, 82))
    images = [Image.fromarray(one).resize(size) for one, size in zip(colours, sizes, strict=True)]
    latents, (expected,) = MODEL.case.reference(
        MODEL.load(folder / "source"),
        size=None,
        batch=1,
        guidance=GUIDANCE,
        negative=None,
        image=images,
        steps=STEPS,
        variant="-edit",
    )
    width, height = MODEL.case.RUN
    with edgediff.load(folder / "bundle") as ours:
        asked = {"seed": SEED, "steps": STEPS, "guidance": GUIDANCE, "width": width, "height": height}
        result = ours(MODEL.case.PROMPTS[:1], image=images, **asked)
        alone = ours(MODEL.case.PROMPTS[:1], image=images[:1], **asked)
    assert result.settings.pictures == ("image", "image_2")
    assert np.abs(result.latents - latents).max() <= 1e-3 * np.abs(latents).max()
    assert np.abs(alone.latents - latents).max() > 3e-3 * np.abs(latents).max()  # the second one counts
    assert np.abs(np.asarray(result.images[0], np.int16) - np.asarray(expected, np.int16)).max() <= 2
