"""Every family on a tiny random model: same seed, same call, the exported bundle against diffusers itself, in fp32.

A case is a module beside this one: ``NAME``, ``build``, ``reference``, and ``PROMPTS`` or ``asked``; where other things
than here can be asked of it, also ``PLANS``, ``FROM_PICTURE``, ``STEPS``, ``load`` (of the source in diffusers), or
``options`` (of ours, for a plan); where it has several models, ``VARIANTS``: its functions are then given one.

Bounds: final latents 1e-3 of their largest value, pictures 2/255; OpenVINO in f32 5e-3 and 4/255.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
from PIL import Image

import edgediff
from edgediff_runtimes.families import FAMILIES

HERE = Path(__file__).parent
# The trained model of this repository is compared more thoroughly, in tests/parity/test_pipeline_parity.py.
ELSEWHERE = {"stable-diffusion"}
STEPS = 4
BOUNDS = {"onnxruntime": (1e-3, 2), "openvino": (5e-3, 4)}  # of latents, of pictures
# guidance, negative prompt, batch, size; None: not asked for
PLANS = [
    (1.0, None, 1, (32, 32)),
    (5.0, None, 3, (48, 40)),
    (5.0, "dull", 1, (48, 40)),
]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = {case.NAME: case for path in sorted(HERE.glob("*.py")) if path != Path(__file__) for case in [_module(path)]}
# A case is an export, about a minute of a core. Every run has those that differ most; the night has all others.
OFTEN = ("ddpm", "dit", "flux", "stable-diffusion-xl", "z-image")
BY_NIGHT = (pytest.mark.slow, pytest.mark.nightly)
# Every case with every variant and plan, from noise and, where it can, from a picture.
ASKED = [
    pytest.param(
        (name, variant),
        plan,
        from_picture,
        id=f"{name}{variant}-{'image' if from_picture else 'noise'}-{plan}",
        marks=() if name in OFTEN else BY_NIGHT,
    )
    for name, case in CASES.items()
    for variant in vars(case).get("VARIANTS", ("",))
    for plan in vars(case).get("PLANS", PLANS)
    for from_picture in ([False, True] if vars(case).get("FROM_PICTURE", True) else [False])
]


def test_every_family_has_a_case():
    assert {family.name for family in FAMILIES} == {*CASES, *ELSEWHERE}


def test_from_a_picture_the_strength_is_diffusers_own_where_nothing_is_said():
    configs = _module(HERE.parents[1] / "architecture" / "test_families.py").CONFIGS
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
def family(request, shared):
    """A case, what its functions are given beside a plan, its source and its bundle."""
    name, variant = request.param
    case, given = CASES[name], {"variant": variant} if variant else {}

    def make(root):
        models = _module(HERE.parents[1] / "exporters" / "conftest.py")
        index = case.build(root / "source", tokenizer=models.write_tokenizer, perturb=models.perturb, **given)
        (root / "source" / "model_index.json").write_text(json.dumps(index))
        with models.traced_once(shared):  # several variants and families have the same VAE, or the same text encoder
            edgediff.export(root / "source", root / "bundle")

    root = shared(f"family-{name}{variant}", make)
    load = vars(case).get("load")
    pipeline = load(root / "source", **given) if load else diffusers.DiffusionPipeline.from_pretrained(root / "source")
    pipeline.set_progress_bar_config(disable=True)
    return case, given, pipeline, root / "bundle"


@pytest.fixture(scope="module")
def picture():
    y, x = np.mgrid[0:48, 0:48].astype(np.float32)
    disc = ((x - 24) ** 2 + (y - 20) ** 2 < 200)[..., None]
    return Image.fromarray(np.where(disc, np.stack([220 - y, 40 + 2 * x, 60 + x + y], axis=-1), 255).astype(np.uint8))


@pytest.fixture(scope="session")
def drawn_by_diffusers():
    """What diffusers draws, by case, plan and task."""
    return {}


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize(("family", "plan", "from_picture"), ASKED, indirect=["family"])
def test_same_seed_same_picture(family, picture, plan, from_picture, engine, drawn_by_diffusers):
    guidance, negative, batch, size = plan
    bound, levels = BOUNDS[engine]
    case, given, pipeline, bundle = family
    facts = vars(case)
    steps = facts.get("STEPS", STEPS)
    image = picture.resize(size) if from_picture else None
    known = (case.NAME, *given.values(), plan, from_picture)
    if known not in drawn_by_diffusers:  # the same for both engines
        plans = {"size": size, "batch": batch, "guidance": guidance, "negative": negative}
        drawn_by_diffusers[known] = case.reference(pipeline, **plans, image=image, steps=steps, **given)
    latents, images = drawn_by_diffusers[known]
    prompt, options = facts["asked"](batch) if "asked" in facts else (case.PROMPTS[:batch], {})
    wanted = {"guidance": guidance, "negative_prompt": negative}  # None is as if it were not there
    options |= facts["options"](**wanted, **given) if "options" in facts else wanted
    if from_picture:
        options |= {"image": image, "strength": 0.6}
    elif size is not None:
        options |= {"width": size[0], "height": size[1]}
    with edgediff.load(bundle, engine=engine) as ours:
        result = ours(prompt, steps=steps, seed=7, **options)
    assert result.latents.shape == latents.shape
    assert np.abs(result.latents - latents).max() <= bound * np.abs(latents).max()
    for drawn, expected in zip(result.images, images, strict=True):
        assert np.abs(np.asarray(drawn, np.int16) - np.asarray(expected, np.int16)).max() <= levels
