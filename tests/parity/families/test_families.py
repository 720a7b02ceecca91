"""Every family on a tiny random model: same seed, same call, the exported bundle against diffusers itself, in fp32.

The cases, and what is asked of them: ``tests/golden/drawn_by_families.py``. Bounds: final latents 1e-3 of their largest
value, pictures 2/255; OpenVINO in f32 5e-3 and 4/255.
"""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import diffusers
import numpy as np
import pytest
from drawn_by_families import MODELS, module_of

import edgediff
from edgediff_runtimes.families import FAMILIES

HERE = Path(__file__).parent
# The trained model of this repository is compared more thoroughly, in tests/parity/test_pipeline_parity.py.
ELSEWHERE = {"stable-diffusion"}
BOUNDS = {"onnxruntime": (1e-3, 2), "openvino": (5e-3, 4)}  # of latents, of pictures

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")

# A case is an export, about a minute of a core. Every run has those that differ most; the night has all others.
OFTEN = ("ddpm", "dit", "flux-dev", "flux-schnell", "stable-diffusion-xl", "z-image")
BY_NIGHT = (pytest.mark.slow, pytest.mark.nightly)
# Every model with every plan, from noise and, where it can, from a picture.
ASKED = [
    pytest.param(
        name,
        plan,
        from_picture,
        id=f"{name}-{'image' if from_picture else 'noise'}-{plan}",
        marks=() if name in OFTEN else BY_NIGHT,
    )
    for name, model in MODELS.items()
    for plan, from_picture in model.plans
]


def test_every_family_has_a_case():
    assert {family.name for family in FAMILIES} == {*(model.case.NAME for model in MODELS.values()), *ELSEWHERE}


def test_every_model_has_a_golden():
    """Where one is missing: ``python tests/golden/make_family_goldens.py NAME``."""
    assert {path.stem for path in (HERE.parents[1] / "golden" / "families").glob("*.zip")} == {*MODELS}


def test_from_a_picture_the_strength_is_diffusers_own_where_nothing_is_said():
    configs = module_of(HERE.parents[1] / "architecture" / "test_families.py").CONFIGS
    ours, theirs = {}, {}
    for family in FAMILIES:
        for name in family.pipelines:
            call = inspect.signature(getattr(diffusers, name).__call__) if "Img2Img" in name else None
            if call is not None and "strength" in call.parameters:
                index = {**configs[family.name].index, "_class_name": name}
                recipe = family.recipe(dataclasses.replace(configs[family.name], index=index))
                ours[name] = recipe.first.schedule.default_strength
                theirs[name] = call.parameters["strength"].default
    assert ours == theirs
    assert {"FluxImg2ImgPipeline", "StableDiffusionXLImg2ImgPipeline"} <= ours.keys()


@pytest.fixture(scope="session")
def family(request, exported_family):
    """A model, its source in diffusers and its bundle."""
    model = MODELS[request.param]
    folder = exported_family(model)
    return model, model.load(folder / "source"), folder / "bundle"


@pytest.fixture(scope="session")
def drawn_by_diffusers():
    """What diffusers draws, by model, plan and task."""
    return {}


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize(("family", "plan", "from_picture"), ASKED, indirect=["family"])
def test_same_seed_same_picture(family, plan, from_picture, engine, drawn_by_diffusers):
    bound, levels = BOUNDS[engine]
    model, pipeline, bundle = family
    known = (model.name, plan, from_picture)
    if known not in drawn_by_diffusers:  # the same for both engines
        drawn_by_diffusers[known] = model.drawn(pipeline, plan, from_picture=from_picture)
    latents, images = drawn_by_diffusers[known]
    prompt, options = model.asked(plan, from_picture=from_picture)
    with edgediff.load(bundle, engine=engine) as ours:
        result = ours(prompt, **options)
    assert result.latents.shape == latents.shape
    assert np.abs(result.latents - latents).max() <= bound * np.abs(latents).max()
    for drawn, expected in zip(result.images, images, strict=True):
        assert np.abs(np.asarray(drawn, np.int16) - np.asarray(expected, np.int16)).max() <= levels
