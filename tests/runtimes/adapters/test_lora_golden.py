"""A trained LoRA on the shipped model, without PyTorch, against pictures that diffusers drew with the same file.

``tests/golden/make_lora_golden.py`` makes them again. Bound: 2/255.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgediff

FOLDER = Path(__file__).parents[2] / "golden" / "lora"
FILES = {"ours": "violet-ink.safetensors", "kohya": "violet-ink-kohya.safetensors"}


@pytest.fixture(scope="module")
def golden():
    with np.load(FOLDER / "emoji.npz") as file:
        return dict(file)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", FILES)
def test_draws_what_diffusers_drew(golden, name, engine):
    pytest.importorskip(engine)
    about = json.loads(str(golden["about"]))
    options = {option: about[option] for option in ("seed", "steps", "guidance")}
    with edgediff.load("emoji", engine=engine, loras={FOLDER / FILES[name]: about["scale"]}) as pipeline:
        assert [one.unbound for one in pipeline.loras] == [0]
        images = np.stack([np.asarray(image) for image in pipeline(about["prompts"], **options).images])
        assert np.abs(images.astype(int) - golden[name]).max() <= 2
        pipeline.set_loras(None)
        base = np.stack([np.asarray(image) for image in pipeline(about["prompts"], **options).images])
    assert np.abs(base.astype(int) - golden[name]).mean() > 10  # else nothing was shown


def test_swapped_again_and_again():
    """Off and on: the same pictures each time, and one session of each component."""
    with edgediff.load("emoji") as pipeline:
        drawn = {None: set(), "ours": set()}
        for _ in range(4):
            for name, pictures in drawn.items():
                pipeline.set_loras([FOLDER / FILES[name]] if name else None)
                pictures.add(pipeline("a house", seed=1, steps=1).images[0].tobytes())
                assert len(pipeline._components._sessions) == 3
        assert [len(pictures) for pictures in drawn.values()] == [1, 1]
