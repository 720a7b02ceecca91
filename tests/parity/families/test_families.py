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
BOUNDS = {"onnxruntime": (1e-3, 2), "openvino": (5e-3, 4)}  # of latents, of pictures

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")

# A case is an export, about a minute of a core. Every run has those that differ most; the night has all others.
OFTEN = ("ddpm", "dit", "flux-dev", "stable-diffusion-xl", "z-image")
BY_NIGHT = (pytest.mark.slow, pytest.mark.nightly)
# Every model with every plan, from all that it can start from.
ASKED = [
    pytest.param(
        name,
        plan,
        start,
        id=f"{name}-{start}-{plan}",
        marks=() if name in OFTEN else BY_NIGHT,
    )
    for name, model in MODELS.items()
    for plan, start in model.plans
]


def test_every_family_has_a_case():
    assert {family.name for family in FAMILIES} == {model.case.NAME for model in MODELS.values()}


def test_every_model_has_a_golden():
    """Where one is missing: ``python tests/golden/make_family_goldens.py NAME``."""
    assert {path.stem for path in (HERE.parents[1] / "golden" / "families").glob("*.zip")} == {*MODELS}


def test_from_a_picture_the_strength_is_diffusers_own_where_nothing_is_said():
    configs = module_of(HERE.parents[1] / "architecture" / "test_families.py").CONFIGS
    fields = {"Img2Img": "default_strength", "Inpaint": "inpaint_strength", "Fill": "inpaint_strength"}
    ours, theirs = {}, {}
    for family in FAMILIES:
        for name in family.pipelines:
            field = next((field for kind, field in fields.items() if kind in name), None)
            call = inspect.signature(getattr(diffusers, name).__call__)
            if field is not None and "strength" in call.parameters:
                of_family = configs[family.name]
                network = of_family.by_name.get("transformer", {})
                shown = {"in_channels": 4 * (4 + 4 + 64)} if "Fill" in name else {}
                by_name = {**of_family.by_name, "transformer": {**network, **shown}}
                index = {**of_family.index, "_class_name": name}
                recipe = family.recipe(dataclasses.replace(of_family, index=index, by_name=by_name))
                ours[name] = getattr(recipe.first.schedule, field)
                theirs[name] = call.parameters["strength"].default
    assert ours == theirs
    assert {"FluxImg2ImgPipeline", "StableDiffusionXLImg2ImgPipeline"} <= ours.keys()
    assert {"FluxInpaintPipeline", "FluxFillPipeline", "StableDiffusionXLInpaintPipeline"} <= ours.keys()


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
@pytest.mark.parametrize(("family", "plan", "start"), ASKED, indirect=["family"])
def test_same_seed_same_picture(family, plan, start, engine, drawn_by_diffusers):
    bound, levels = BOUNDS[engine]
    model, pipeline, bundle = family
    known = (model.name, plan, start)
    if known not in drawn_by_diffusers:  # the same for both engines
        drawn_by_diffusers[known] = model.drawn(pipeline, plan, start=start)
    latents, images = drawn_by_diffusers[known]
    prompt, options = model.asked(plan, start=start)
    with edgediff.load(bundle, engine=engine) as ours:
        result = ours(prompt, **options)
    assert result.latents.shape == latents.shape
    assert np.abs(result.latents - latents).max() <= bound * np.abs(latents).max()
    for drawn, expected in zip(result.images, images, strict=True):
        assert np.abs(np.asarray(drawn, np.int16) - np.asarray(expected, np.int16)).max() <= levels
