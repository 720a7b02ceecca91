"""LoRAs of transformers on tiny random models, at load and at export, against what diffusers and PEFT draw with them.

The goldens: ``tests/golden/make_lora_family_golden.py``. Bounds: final latents 1e-3 of their largest value, pictures
2/255; OpenVINO in f32 5e-3 and 4/255, as ``families/test_families.py`` has them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_by_families import MODELS, module_of
from loras_of_families import SCALE, by_diffusers_names, by_kohyas_names
from safetensors.numpy import save_file

import edgediff
from edgediff_exporters.opening import open_model
from edgediff_runtimes.adapters.names import plain
from edgediff_runtimes.adapters.places import Places
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.weights.reading import stored_weights

TESTS = Path(__file__).parents[1]
BOUNDS = {"onnxruntime": (1e-3, 2), "openvino": (5e-3, 4)}
BY_NIGHT = (pytest.mark.slow, pytest.mark.nightly)
CASES = [
    pytest.param("flux-dev", "diffusers", id="flux-diffusers"),
    pytest.param("flux-dev", "kohya", id="flux-kohya"),
    pytest.param("stable-diffusion-3-without-t5", "diffusers", id="stable-diffusion-3-diffusers", marks=BY_NIGHT),
]


@pytest.fixture(scope="module")
def golden():
    with np.load(TESTS / "golden" / "lora" / "families.npz") as file:
        return dict(file)


def write(folder, case, path):
    """The LoRA that a golden was drawn with."""
    opened = open_model(folder / "source", config=None)
    shapes = {
        role: {name: tuple(tensor.shape) for name, tensor in opened.source.weights(role).tensors.items()}
        for role in ("transformer", "text_encoder")
    }
    config = opened.source.config("transformer")
    width = config["num_attention_heads"] * config["attention_head_dim"]
    save_file(by_kohyas_names(width) if case == "kohya" else by_diffusers_names(shapes), path)
    return path


def draws(bundle, golden, name, case, *, engine="onnxruntime", loras=None):
    """Whether a bundle draws a golden."""
    bound, levels = BOUNDS[engine]
    prompt, options = MODELS[name].asked(MODELS[name].plans[0][0], start="noise")
    latents, image = (golden[f"{name}/{case}/{what}"] for what in ("latents", "image"))
    with edgediff.load(bundle, engine=engine, loras=loras) as pipeline:
        assert [one.unbound for one in pipeline.loras] == [0] * len(loras or ())
        result = pipeline(prompt, **options)
    off = np.abs(np.asarray(result.images[0]).astype(int) - image).max()
    return np.abs(result.latents - latents).max() <= bound * np.abs(latents).max() and off <= levels


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_at_load(exported_family, golden, tmp_path, name, case, engine):
    folder = exported_family(MODELS[name])
    assert draws(folder / "bundle", golden, name, "base", engine=engine), "other weights: make the goldens again"
    assert not draws(folder / "bundle", golden, name, case, engine=engine)  # else nothing is shown
    lora = write(folder, case, tmp_path / "x.safetensors")
    assert draws(folder / "bundle", golden, name, case, engine=engine, loras={lora: SCALE})


@pytest.mark.parametrize(("name", "case"), [CASES[0], CASES[2]])
def test_at_export(exported_family, shared, golden, tmp_path, name, case):
    folder = exported_family(MODELS[name])
    lora = write(folder, case, tmp_path / "x.safetensors")
    with module_of(TESTS / "exporters" / "conftest.py").traced_once(shared):
        edgediff.export(folder / "source", tmp_path / "bundle", loras={lora: SCALE})
    assert draws(tmp_path / "bundle", golden, name, case)


TRANSFORMERS = (
    "flux-dev", "stable-diffusion-3-3.5", "stable-diffusion-3-without-t5", "z-image", "flux2-klein", "qwen-image",
    "sana", "lumina2", "aura-flow", "pixart-sigma", "hunyuan-dit-1.2",
)  # fmt: skip
# What is not in the graph, because no picture depends on it: the last block gives on nothing of the text.
WITHOUT = {"qwen-image": ("1.attn.to_add_out", "1.txt_mlp.net.0.proj", "1.txt_mlp.net.2")}


@pytest.mark.parametrize("name", [TRANSFORMERS[0], *(pytest.param(name, marks=BY_NIGHT) for name in TRANSFORMERS[1:])])
def test_every_matrix_of_the_network_is_found(exported_family, name):
    """By the name that diffusers' module has for it, at the values that it has there."""
    folder = exported_family(MODELS[name])
    opened, bundle = open_model(folder / "source", config=None), Bundle.open(folder / "bundle")
    plan = next(plan for plan in opened.plans if plan.role == opened.recipe.network.role)
    weights = stored_weights(bundle.graph(plan.role))
    places = Places.of({parameter: one.shape for parameter, one in weights.items()})
    missing = []
    for key, tensor in opened.source.weights(plan.origin).tensors.items():
        layer = key.removesuffix(".weight")
        if tensor.ndim < 2 or layer == key:
            continue
        found = places.find(plain(layer))
        if found == ():
            missing.append(layer)
            continue
        (place,) = found
        assert np.abs(weights[place.parameter].read().reshape(tensor.shape) - tensor.numpy()).max() <= 1e-5, key
    assert missing == [f"transformer_blocks.{layer}" for layer in WITHOUT.get(name, ())]
