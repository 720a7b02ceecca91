"""Beside two pictures of other sizes than the run's, as diffusers draws beside a list of them."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_by_families import MODELS, SEED
from PIL import Image

import edgediff

GUIDANCE, STEPS = 4.0, 2
# By model: the negative prompt, and the size of what is drawn.
ASKED = {"flux2-klein-edit": (None, MODELS["flux2-klein-edit"].case.RUN), "qwen-image-edit-plus": ("dull", (48, 64))}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning"),
]


@pytest.mark.parametrize("name", ASKED)
def test_both_are_seen(exported_family, name):
    model, (negative, (width, height)) = MODELS[name], ASKED[name]
    folder = exported_family(model)
    colours = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    sizes = ((72, 64), (64, 82))
    images = [Image.fromarray(one).resize(size) for one, size in zip(colours, sizes, strict=True)]
    latents, (expected,) = model.case.reference(
        model.load(folder / "source"),
        size=(width, height),
        batch=1,
        guidance=GUIDANCE,
        negative=negative,
        image=images,
        steps=STEPS,
        variant=model.variant,
    )
    with edgediff.load(folder / "bundle") as ours:
        asked = {"seed": SEED, "steps": STEPS, "guidance": GUIDANCE, "width": width, "height": height}
        asked["negative_prompt"] = negative
        result = ours(model.case.PROMPTS[:1], image=images, **asked)
        alone = ours(model.case.PROMPTS[:1], image=images[:1], **asked)
    assert result.settings.pictures == ("image", "image_2")
    assert np.abs(result.latents - latents).max() <= 1e-3 * np.abs(latents).max()
    assert np.abs(alone.latents - latents).max() > 3e-3 * np.abs(latents).max()  # the second one counts
    assert np.abs(np.asarray(result.images[0], np.int16) - np.asarray(expected, np.int16)).max() <= 2
