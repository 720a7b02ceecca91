"""The shipped model without PyTorch, in both engines, against whole arrays that diffusers drew with the same weights.

``tests/golden/make_pipeline_golden.py`` makes them again. Bounds: latents 1e-3, pictures 2/255.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff_runtimes.engines import ENGINES
from edgediff_runtimes.errors import NotInstalledError

GOLDEN = Path(__file__).parents[1] / "golden" / "pipeline" / "emoji.npz"
with np.load(GOLDEN) as _file:
    ARRAYS = dict(_file)
ABOUT = json.loads(str(ARRAYS["about"]))


@pytest.fixture(scope="module", params=list(ENGINES))
def pipeline(request):
    try:
        with edgediff.load("emoji", engine=request.param) as loaded:
            yield loaded
    except NotInstalledError as error:
        pytest.skip(error.sentence)


def _picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (width / 3) ** 2)[..., None]
    shade = np.stack([220 - y, 40 + x, 60 + (x + y) / 2], axis=-1)
    return Image.fromarray(np.where(disc, shade, 255).astype(np.uint8))


def _name(case):
    task = "image-to-image" if case["image_to_image"] else "text-to-image"
    return f"{case['sampler']}-{task}-g{case['guidance']:g}-b{case['batch']}-{case['size'][0]}"


@pytest.mark.parametrize("index", range(len(ABOUT["cases"])), ids=[_name(case) for case in ABOUT["cases"]])
def test_draws_what_diffusers_drew(pipeline, index):
    case = ABOUT["cases"][index]
    width, height = case["size"]
    start = {"image": _picture(width, height), "strength": ABOUT["strength"]} if case["image_to_image"] else {}
    result = pipeline(
        ABOUT["prompts"][: case["batch"]],
        sampler=case["sampler"],
        steps=ABOUT["steps"],
        seed=ABOUT["seed"],
        guidance=case["guidance"],
        width=width,
        height=height,
        **start,
    )
    assert np.abs(ARRAYS[f"latents_{index}"]).max() > 0.5
    assert np.abs(result.latents - ARRAYS[f"latents_{index}"]).max() <= 1e-3
    pictures = np.stack([np.asarray(image) for image in result.images]).astype(np.int16)
    assert np.abs(pictures - ARRAYS[f"images_{index}"]).max() <= 2
