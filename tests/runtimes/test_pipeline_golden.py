"""The shipped models without PyTorch, in both engines, against whole arrays that diffusers drew with the same weights.

``tests/golden/make_pipeline_golden.py`` makes them again. Bounds: latents 1e-3, pictures 2/255.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff_runtimes.errors import NotInstalledError

GOLDENS = Path(__file__).parents[1] / "golden" / "pipeline"
MODELS = ("emoji", "emoji-lcm")


def _read(model):
    with np.load(GOLDENS / f"{model}.npz") as file:
        return dict(file)


ARRAYS = {model: _read(model) for model in MODELS}
ABOUT = {model: json.loads(str(arrays["about"])) for model, arrays in ARRAYS.items()}
CASES = [(model, index) for model in MODELS for index in range(len(ABOUT[model]["cases"]))]


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def pipelines(request):
    try:
        with ExitStack() as stack:
            yield {model: stack.enter_context(edgediff.load(model, engine=request.param)) for model in MODELS}
    except NotInstalledError as error:
        pytest.skip(error.sentence)


def _picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (width / 3) ** 2)[..., None]
    shade = np.stack([220 - y, 40 + x, 60 + (x + y) / 2], axis=-1)
    return Image.fromarray(np.where(disc, shade, 255).astype(np.uint8))


def _name(which):
    model, index = which
    case = ABOUT[model]["cases"][index]
    task = "image-to-image" if case["image_to_image"] else "text-to-image"
    return f"{model}-{case['sampler']}-{task}-g{case['guidance']:g}-b{case['batch']}-{case['size'][0]}"


@pytest.mark.parametrize("which", CASES, ids=_name)
def test_draws_what_diffusers_drew(pipelines, which):
    model, index = which
    about, arrays = ABOUT[model], ARRAYS[model]
    case = about["cases"][index]
    width, height = case["size"]
    start = {"image": _picture(width, height), "strength": about["strength"]} if case["image_to_image"] else {}
    result = pipelines[model](
        about["prompts"][: case["batch"]],
        sampler=case["sampler"],
        steps=about["steps"],
        seed=about["seed"],
        guidance=case["guidance"],
        width=width,
        height=height,
        **start,
    )
    assert np.abs(arrays[f"latents_{index}"]).max() > 0.5
    assert np.abs(result.latents - arrays[f"latents_{index}"]).max() <= 1e-3
    pictures = np.stack([np.asarray(image) for image in result.images]).astype(np.int16)
    assert np.abs(pictures - arrays[f"images_{index}"]).max() <= 2


@pytest.mark.parametrize(("model", "options"), [("emoji-lcm", {}), ("emoji", {"steps": 2})])
def test_a_picture_of_a_batch_is_drawn_again_alone(pipelines, model, options):
    """Equal noise; a network that sees one row is computed by other kernels, which may round otherwise."""
    together = pipelines[model](["a fox face", "a frog"], seed=8, **options)
    alone = pipelines[model]("a frog", seed=9, **options)
    assert together.seeds[1] == alone.seed
    assert np.abs(alone.latents[0] - together.latents[1]).max() <= 1e-5
    difference = np.abs(np.asarray(alone.images[0], np.int16) - np.asarray(together.images[1], np.int16))
    assert difference.max() <= 1
