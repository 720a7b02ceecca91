"""The refiner of Stable Diffusion XL on tiny random modules: alone, and behind the base in one call."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from drawn_by_families import MODELS, module_of
from PIL import Image

import edgediff
from edgediff_exporters.component_export import export_component
from edgediff_exporters.opening import open_model
from edgediff_runtimes.errors import SamplerError, SettingError
from edgediff_runtimes.families.latents import INPAINTING

HERE = Path(__file__).parent
STEPS = 10
BOUND, LEVELS = 1e-3, 2
PROMPTS = ["a red apple", "a fox face"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def root(exported_family, tmp_path_factory):
    """``source``: base and refiner in one folder; ``bundle``: their graphs; ``alone``: the refiner's. No manifests."""
    models = module_of(HERE.parent / "exporters" / "conftest.py")
    base = exported_family(MODELS["stable-diffusion-xl"])
    root = tmp_path_factory.mktemp("refiner")
    source = shutil.copytree(base / "source", root / "source")
    config = diffusers.UNet2DConditionModel.load_config(source / "unet")
    torch.manual_seed(1)
    told = {"cross_attention_dim": 24, "projection_class_embeddings_input_dim": 5 * 8 + 12}
    refiner = diffusers.UNet2DConditionModel.from_config({**config, **told})
    models.perturb(refiner).save_pretrained(source / "refiner_unet")
    index = json.loads((source / "model_index.json").read_text("utf-8"))
    index["refiner_unet"] = ["diffusers", "UNet2DConditionModel"]
    (source / "model_index.json").write_text(json.dumps(index))
    shutil.copytree(base / "bundle", root / "bundle")
    (root / "bundle" / "edgediff.json").unlink()
    shutil.copyfile(source / "model_index.json", root / "bundle" / "model_index.json")
    opened = open_model(source, config=None)
    assert [stage.name for stage in opened.recipe.stages] == ["base", "refiner"]
    (plan,) = (plan for plan in opened.plans if plan.role == "refiner_unet")
    export_component(opened.source, plan, root / "bundle", "fp32", lambda _: None)
    _take_refiner(root / "bundle", root / "alone")
    return root


def test_the_refiner_alone_can_be_exported(root, tmp_path):
    """Its second text encoder and U-Net, told five numbers; no first text encoder is asked for."""
    source = shutil.copytree(root / "source", tmp_path / "alone", ignore=shutil.ignore_patterns("unet", "text_encoder"))
    (source / "refiner_unet").rename(source / "unet")
    shutil.copyfile(root / "alone" / "model_index.json", source / "model_index.json")
    opened = open_model(source, config=None)
    assert [plan.role for plan in opened.plans] == ["text_encoder_2", "unet", "vae_decoder", "vae_encoder"]
    (unet,) = (plan for plan in opened.plans if plan.role == "unet")
    assert {item.name: item.shape for item in unet.inputs}["time_ids"] == ("batch", 5)
    assert opened.recipe.tasks == ("image-to-image", *INPAINTING)


def _take_refiner(bundle, alone):
    for name, origin in {
        "text_encoder_2": "text_encoder_2",
        "tokenizer_2": "tokenizer_2",
        "unet": "refiner_unet",
        "vae_decoder": "vae_decoder",
        "vae_encoder": "vae_encoder",
        "scheduler": "scheduler",
    }.items():
        shutil.copytree(bundle / origin, alone / name)
    index = json.loads((bundle / "model_index.json").read_text("utf-8"))
    index |= {"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": True}
    index |= {"text_encoder": [None, None], "tokenizer": [None, None], "force_zeros_for_empty_prompt": False}
    del index["refiner_unet"]
    (alone / "model_index.json").write_text(json.dumps(index))


@pytest.fixture(scope="module")
def theirs(root):
    """diffusers' base and refiner."""
    base = MODELS["stable-diffusion-xl-refiner"].load(root / "source")
    return base, base.refiner


@pytest.fixture(scope="module")
def picture():
    y, x = np.mgrid[0:40, 0:48].astype(np.float32)
    disc = ((x - 24) ** 2 + (y - 20) ** 2 < 200)[..., None]
    return Image.fromarray(np.where(disc, np.stack([220 - y, 40 + 2 * x, 60 + x + y], axis=-1), 255).astype(np.uint8))


def _generators(count):
    return [torch.Generator("cpu").manual_seed(7 + index) for index in range(count)]


def _compare(result, latents, base):
    latents = latents.numpy()
    assert result.latents.shape == latents.shape
    assert np.abs(result.latents - latents).max() <= BOUND * np.abs(latents).max()
    with torch.no_grad():
        decoded = base.vae.decode(torch.from_numpy(latents) / base.vae.config.scaling_factor).sample
    for drawn, expected in zip(result.images, base.image_processor.postprocess(decoded), strict=True):
        assert np.abs(np.asarray(drawn, np.int16) - np.asarray(expected, np.int16)).max() <= LEVELS


@pytest.mark.parametrize("asked", [{}, {"negative": "dull"}, {"guidance": 1.0}, {"told": True}], ids=str)
def test_the_refiner_alone(root, theirs, picture, asked):
    base, refiner = theirs
    guidance, negative = asked.get("guidance", 5.0), asked.get("negative")
    told = {}
    if asked.get("told"):
        told = {"original_size": (96, 64), "crops_coords_top_left": (3, 5)}
        told |= {"aesthetic_score": 7.5, "negative_aesthetic_score": 1.0}
    latents = refiner(
        PROMPTS,
        negative_prompt=None if negative is None else [negative] * 2,
        image=[picture] * 2,
        strength=0.4,
        guidance_scale=guidance,
        num_inference_steps=STEPS,
        generator=_generators(2),
        output_type="latent",
        **told,
    ).images
    ours = {"negative_prompt": negative} if negative else {}
    if told:
        ours = {"original_height": 96, "original_width": 64, "crop_top": 3, "crop_left": 5}
        ours |= {"aesthetic_score": 7.5, "negative_aesthetic_score": 1.0}
    with edgediff.load(root / "alone") as drawing:
        result = drawing(PROMPTS, image=picture, strength=0.4, guidance=guidance, steps=STEPS, seed=7, **ours)
    _compare(result, latents, base)


def test_the_refiner_alone_draws_from_pictures_only(root):
    with edgediff.load(root / "alone") as drawing:
        assert drawing.bundle.manifest.tasks == ("image-to-image", *INPAINTING)
        with pytest.raises(SettingError, match="`image` is None: expected a picture, because the bundle draws from"):
            drawing("a fox", seed=1)


KINDS = {
    "euler": (None, 0.6, 5.0, None),
    "a few last steps": (None, 0.9, 5.0, "dull"),
    "no guidance": (None, 0.6, 1.0, None),
    "a solver with memory": ("dpmpp_2m", 0.7, 5.0, None),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("from_picture", [False, True], ids=["text", "image"])
def test_base_and_refiner_in_one_call(root, theirs, picture, kind, from_picture):
    sampler, share, guidance, negative = KINDS[kind]
    base, refiner = (copy.copy(pipeline) for pipeline in theirs)
    for pipeline in (base, refiner):
        scheduler = theirs[0].scheduler.config
        kind_of = diffusers.DPMSolverMultistepScheduler if sampler else diffusers.EulerDiscreteScheduler
        pipeline.scheduler = kind_of.from_config(scheduler)
    generators = _generators(2)
    common = {
        "prompt": PROMPTS,
        "negative_prompt": None if negative is None else [negative] * 2,
        "guidance_scale": guidance,
        "num_inference_steps": STEPS,
        "generator": generators,
        "output_type": "latent",
    }
    first = base
    if from_picture:
        first = diffusers.StableDiffusionXLImg2ImgPipeline(**base.components, add_watermarker=False)
        first.set_progress_bar_config(disable=True)
        common |= {"image": [picture] * 2, "strength": 0.8}
    else:
        common |= {"width": 48, "height": 40}
    left = first(**common, denoising_end=share).images
    for name in ("image", "strength", "width", "height"):
        common.pop(name, None)
    latents = refiner(**common, denoising_start=share, image=left).images
    asked = {"image": picture, "strength": 0.8} if from_picture else {"width": 48, "height": 40}
    if negative is not None:
        asked["negative_prompt"] = negative
    seen = []
    with edgediff.load(root / "bundle") as drawing:
        result = drawing(
            PROMPTS,
            steps=STEPS,
            guidance=guidance,
            refiner_start=share,
            sampler=sampler,
            seed=7,
            on_step=lambda step: seen.append((step.index, step.total)),
            **asked,
        )
    steps = 8 if from_picture else STEPS
    assert seen == [(index, steps) for index in range(steps)]
    _compare(result, latents, theirs[0])


def test_without_the_refiner_it_is_the_base(root, theirs):
    base, _ = theirs
    latents = base(
        PROMPTS, width=48, height=40, num_inference_steps=4, generator=_generators(2), output_type="latent"
    ).images
    with edgediff.load(root / "bundle") as drawing:
        result = drawing(PROMPTS, steps=4, seed=7, width=48, height=40, refiner_start=1)
        assert "refiner_unet" not in result.computed
    _compare(result, latents, base)


def test_what_the_base_is_told(root, theirs):
    base, _ = theirs
    told = {"original_size": (96, 64), "crops_coords_top_left": (3, 5), "target_size": (80, 72)}
    latents = base(
        PROMPTS, width=48, height=40, num_inference_steps=4, generator=_generators(2), output_type="latent", **told
    ).images
    ours = {"original_height": 96, "original_width": 64, "crop_top": 3, "crop_left": 5}
    ours |= {"target_height": 80, "target_width": 72}
    with edgediff.load(root / "bundle") as drawing:
        result = drawing(PROMPTS, steps=4, seed=7, width=48, height=40, refiner_start=1, **ours)
    _compare(result, latents, base)


def test_a_part_that_leaves_a_stage_no_step_is_refused(root):
    with edgediff.load(root / "bundle") as drawing:
        with pytest.raises(
            SamplerError, match=r"`refiner_start` is 0\.05: expected a share that leaves `base` at least"
        ):
            drawing("a", steps=2, seed=0, refiner_start=0.05, image=Image.new("RGB", (32, 32)), strength=0.5)
        with pytest.raises(SettingError, match="`refiner_start` is 0: expected a number above 0 and at most 1"):
            drawing("a", steps=2, seed=0, refiner_start=0)


def test_what_was_drawn_in_two_stages_is_drawn_again(root):
    from edgediff_runtimes.settings.resolve import options_of  # noqa: PLC0415 - one test's

    with edgediff.load(root / "bundle") as drawing:
        result = drawing("a fox", steps=4, seed=3, guidance=4.0, refiner_start=0.5)
        prompt, options = options_of(json.loads(json.dumps(result.settings.of_image(0))))
        again = drawing(prompt, **options)
    np.testing.assert_array_equal(result.latents, again.latents)
