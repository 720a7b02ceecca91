"""A ControlNet or an IP-Adapter beside Stable Diffusion XL, on tiny random modules, against diffusers itself."""

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
from safetensors.torch import load_file
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

import edgediff

STEPS, SEED, SIZE = 6, 7, (36, 28)
EIGHTHS = (40, 32)  # where diffusers asks for multiples of 8
PROMPTS = ["a red apple", "a fox face"]
BOUNDS = {"onnxruntime": (1e-3, 2), "openvino": (5e-3, 4)}  # of latents, of pictures

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def root(exported_family, tmp_path_factory):
    """``controlnet``, and ``bundle``, which has grown by it."""
    models = module_of(Path(__file__).parents[1] / "exporters" / "conftest.py")
    base = exported_family(MODELS["stable-diffusion-xl"])
    root = tmp_path_factory.mktemp("xl")
    unet = diffusers.UNet2DConditionModel.from_pretrained(base / "source" / "unet")
    torch.manual_seed(1)
    module = diffusers.ControlNetModel.from_unet(
        unet, conditioning_embedding_out_channels=(4, 8), load_weights_from_unet=False
    )
    models.perturb(module).save_pretrained(root / "controlnet")
    shutil.copytree(base / "bundle", root / "bundle")
    edgediff.add(root / "controlnet", root / "bundle")
    (root / "source").symlink_to(base / "source")
    return root


@pytest.fixture(scope="module")
def shown():
    """A bar and a slope."""
    y, x = np.mgrid[0:40, 0:40]
    levels = np.stack([np.where(abs(x - y) < 6, 250, 30), 6 * x, 6 * y], axis=-1)
    return Image.fromarray(levels.astype(np.uint8)).resize(SIZE, Image.Resampling.LANCZOS)


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize(("guidance", "negative"), [(1.0, None), (5.0, None), (5.0, "dull")])
def test_same_seed_same_picture(root, shown, engine, guidance, negative):
    parts = diffusers.StableDiffusionXLPipeline.from_pretrained(root / "source", add_watermarker=False).components
    pipeline = diffusers.StableDiffusionXLControlNetPipeline(
        **{**parts, "scheduler": copy.deepcopy(parts["scheduler"])},
        controlnet=diffusers.ControlNetModel.from_pretrained(root / "controlnet"),
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        prompt=PROMPTS,
        negative_prompt=None if negative is None else [negative] * 2,
        image=shown,
        width=SIZE[0],
        height=SIZE[1],
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        controlnet_conditioning_scale=0.7,
        control_guidance_end=0.8,
        generator=[torch.Generator("cpu").manual_seed(SEED + i) for i in range(2)],
        output_type="latent",
    ).images.numpy()
    given = {"seed": SEED, "steps": STEPS, "width": SIZE[0], "height": SIZE[1], "guidance": guidance}
    with edgediff.load(root / "bundle", engine=engine) as ours:
        options = {**given, "negative_prompt": negative}
        result = ours(PROMPTS, **options, control_image=shown, control_scale=0.7, control_end=0.8)
        without = ours(PROMPTS, **options)
    assert np.abs(result.latents - latents).max() <= BOUNDS[engine][0] * np.abs(latents).max()
    assert np.abs(result.latents - without.latents).max() > 0.02 * np.abs(latents).max()


@pytest.fixture(scope="module")
def adapter(exported_family, tmp_path_factory):
    """The file of an IP-Adapter beside its image encoder, and ``bundle``, which has grown by it."""
    adapters = module_of(Path(__file__).parents[1] / "exporters" / "test_ip_adapter.py")
    base = exported_family(MODELS["stable-diffusion-xl"])
    folder = tmp_path_factory.mktemp("xl-ip-adapter")
    config = json.loads((base / "source" / "unet" / "config.json").read_text("utf-8"))
    down, middle, up = adapters.attention_channels(config)
    adapters.write_encoder(folder / "image_encoder")
    file = folder / "adapter.safetensors"
    adapters.write_adapter(file, [*down, *up, *middle], width=config["cross_attention_dim"])
    shutil.copytree(base / "bundle", folder / "bundle")
    edgediff.add(file, folder / "bundle")
    return file


@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_a_picture_beside_the_prompt(root, adapter, shown, guidance):
    parts = diffusers.StableDiffusionXLPipeline.from_pretrained(root / "source", add_watermarker=False).components
    side = 16  # of what the image encoder sees
    parts |= {
        "scheduler": copy.deepcopy(parts["scheduler"]),
        "image_encoder": CLIPVisionModelWithProjection.from_pretrained(adapter.parent / "image_encoder"),
        "feature_extractor": CLIPImageProcessor(size=side, crop_size=side),
    }
    pipeline = diffusers.StableDiffusionXLPipeline(**parts, add_watermarker=False)
    tensors = load_file(adapter)
    kinds = {
        kind: {name.removeprefix(f"{kind}."): one for name, one in tensors.items() if name.startswith(f"{kind}.")}
        for kind in ("image_proj", "ip_adapter")
    }
    pipeline.load_ip_adapter(kinds, subfolder="", weight_name="")
    pipeline.set_ip_adapter_scale(0.7)
    pipeline.set_progress_bar_config(disable=True)
    latents = pipeline(
        prompt=PROMPTS[0],
        ip_adapter_image=shown,
        width=EIGHTHS[0],
        height=EIGHTHS[1],
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="latent",
    ).images.numpy()
    given = {"seed": SEED, "steps": STEPS, "width": EIGHTHS[0], "height": EIGHTHS[1], "guidance": guidance}
    with edgediff.load(adapter.parent / "bundle") as ours:
        result = ours(PROMPTS[0], **given, prompt_image=shown, prompt_image_scale=0.7)
        without = ours(PROMPTS[0], **given)
    assert np.abs(result.latents - latents).max() <= BOUNDS["onnxruntime"][0] * np.abs(latents).max()
    assert np.abs(result.latents - without.latents).max() > 0.02 * np.abs(latents).max()
