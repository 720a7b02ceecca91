"""ControlNets of Stable Diffusion 3 and FLUX.1 on tiny random modules, against diffusers itself.

Bounds: final latents 1e-3 of their largest value, pictures 2/255; OpenVINO in f32 5e-3 and 4/255.
"""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from drawn_by_families import MODELS, module_of
from PIL import Image

import edgediff
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.families.transformer_control import spread_evenly, spread_in_runs

STEPS, SEED, SIZE = 4, 7, (24, 16)
PROMPTS = ["a red apple", "a fox face"]
BOUNDS = {"onnxruntime": (1e-3, 2), "openvino": (5e-3, 4)}  # of latents, of pictures

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def shown():
    """A bar and a slope."""
    y, x = np.mgrid[0:40, 0:40]
    levels = np.stack([np.where(abs(x - y) < 6, 250, 30), 6 * x, 6 * y], axis=-1)
    return Image.fromarray(levels.astype(np.uint8)).resize(SIZE, Image.Resampling.LANCZOS)


def write_sd3(folder, source, seed=1, **fields):
    transformer = diffusers.SD3Transformer2DModel.from_pretrained(source / "transformer")
    config = {name: transformer.config[name] for name in transformer.config if not name.startswith("_")}
    config |= {"num_layers": 1, "extra_conditioning_channels": 0, **fields}
    torch.manual_seed(seed)
    return _written(diffusers.SD3ControlNetModel.from_config(config), folder)


def write_flux(folder, source, seed=1, **fields):
    transformer = diffusers.FluxTransformer2DModel.from_pretrained(source / "transformer")
    names = ("in_channels", "attention_head_dim", "num_attention_heads", "joint_attention_dim", "pooled_projection_dim")
    config = {name: transformer.config[name] for name in (*names, "guidance_embeds", "axes_dims_rope")}
    torch.manual_seed(seed)
    counts = {"num_layers": 1, "num_single_layers": 1}
    return _written(diffusers.FluxControlNetModel(**{**config, **counts, **fields}), folder)


def _written(module, folder):
    models = module_of(Path(__file__).parents[1] / "exporters" / "conftest.py")
    models.perturb(module).save_pretrained(folder)
    return folder


def _grown(base, folder, write, **fields):
    """``controlnet``, and ``bundle``, which has grown by it."""
    write(folder / "controlnet", base / "source", **fields)
    shutil.copytree(base / "bundle", folder / "bundle")
    edgediff.add(folder / "controlnet", folder / "bundle")
    (folder / "source").symlink_to(base / "source")
    return folder


@pytest.fixture(scope="module")
def sd3(exported_family, tmp_path_factory):
    return _grown(exported_family(MODELS["stable-diffusion-3-3.5"]), tmp_path_factory.mktemp("sd3"), write_sd3)


@pytest.fixture(scope="module")
def flux(exported_family, tmp_path_factory):
    return _grown(exported_family(MODELS["flux-dev"]), tmp_path_factory.mktemp("flux"), write_flux)


def _drawn(pipeline, shown, **options):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        prompt=PROMPTS,
        control_image=shown,
        width=SIZE[0],
        height=SIZE[1],
        num_inference_steps=STEPS,
        controlnet_conditioning_scale=0.7,
        control_guidance_end=0.8,
        generator=[torch.Generator("cpu").manual_seed(SEED + i) for i in range(2)],
        output_type="latent",
        **options,
    ).images


def _pictures(pipeline, latents):
    config = pipeline.vae.config
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")


def _compare(root, shown, engine, expected, **options):
    latents, images = expected
    options = {"seed": SEED, "steps": STEPS, "width": SIZE[0], "height": SIZE[1], **options}
    with edgediff.load(root / "bundle", engine=engine) as ours:
        result = ours(PROMPTS, **options, control_image=shown, control_scale=0.7, control_end=0.8)
        without = ours(PROMPTS, **options)
    bound, levels = BOUNDS[engine]
    assert np.abs(result.latents - latents).max() <= bound * np.abs(latents).max()
    for one, other in zip(result.images, images, strict=True):
        assert np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() <= levels
    assert np.abs(result.latents - without.latents).max() > 0.02 * np.abs(latents).max()
    return without


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_stable_diffusion_3_draws_what_diffusers_draws(sd3, shown, engine, guidance, monkeypatch):
    """diffusers draws the picture's latents from the process's own source, not from the seeds': here their mean."""
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda one, **_: one.mode())
    parts = diffusers.StableDiffusion3Pipeline.from_pretrained(sd3 / "source").components
    pipeline = diffusers.StableDiffusion3ControlNetPipeline(
        **{**parts, "scheduler": copy.deepcopy(parts["scheduler"])},
        controlnet=diffusers.SD3ControlNetModel.from_pretrained(sd3 / "controlnet"),
    )
    expected = _pictures(pipeline, _drawn(pipeline, shown, guidance_scale=guidance))
    _compare(sd3, shown, engine, expected, guidance=guidance)


@pytest.mark.parametrize("engine", BOUNDS)
def test_flux_draws_what_diffusers_draws(flux, shown, engine):
    parts = diffusers.FluxPipeline.from_pretrained(flux / "source").components
    pipeline = diffusers.FluxControlNetPipeline(
        **{**parts, "scheduler": copy.deepcopy(parts["scheduler"])},
        controlnet=diffusers.FluxControlNetModel.from_pretrained(flux / "controlnet"),
    )
    packed = _drawn(pipeline, shown, guidance_scale=3.0)
    unpacked = pipeline._unpack_latents(packed, SIZE[1], SIZE[0], pipeline.vae_scale_factor)
    _compare(flux, shown, engine, _pictures(pipeline, unpacked), guidance=3.0)


@pytest.mark.parametrize("name", ["stable-diffusion-3-3.5", "flux-dev"])
def test_without_a_picture_it_draws_bit_for_bit_what_it_drew(request, exported_family, name):
    grown = request.getfixturevalue("flux" if name == "flux-dev" else "sd3") / "bundle"
    common = {"seed": SEED, "steps": 2, "width": SIZE[0], "height": SIZE[1], "guidance": 3.0}
    with edgediff.load(exported_family(MODELS[name]) / "bundle") as pipeline:
        before = pipeline(PROMPTS, **common)
    with edgediff.load(grown) as pipeline:
        after = pipeline(PROMPTS, **common)
    np.testing.assert_array_equal(before.latents, after.latents)
    assert "controlnet" not in after.computed
    edgediff.verify(grown)


def test_which_sample_is_for_which_block():
    """As diffusers spreads them: of 24 and of 19 blocks, the last of Stable Diffusion 3's takes none."""
    assert spread_evenly(24, 12) == tuple(block // 2 for block in range(23))
    assert spread_evenly(24, 23)[:4] == (0, 0, 1, 2)
    assert spread_in_runs(19, 5) == tuple(block // 4 for block in range(19))
    assert spread_in_runs(38, 10)[-1] == 9
    assert spread_in_runs(38, 0) == ()


def _refused(source, bundle, words):
    before = (bundle / "edgediff.json").read_bytes()
    with pytest.raises(SourceError) as caught:
        edgediff.add(source, bundle)
    assert words in caught.value.sentence
    assert (bundle / "edgediff.json").read_bytes() == before


def test_what_is_no_controlnet_for_the_bundle_is_refused(sd3, flux, tmp_path):
    for number, (fields, words) in enumerate(
        (
            ({"extra_conditioning_channels": 1}, "its extra_conditioning_channels is 1, expected 0"),
            ({"pos_embed_max_size": 4}, "knows 4 places along a side: expected at least 12"),
            ({"joint_attention_dim": 24}, "its joint_attention_dim is 24, expected 32"),
            ({"use_pos_embed": False}, "has no embedding of its own"),
            ({"num_layers": 3}, "has 3 blocks: expected 1 to 2"),
        )
    ):
        _refused(write_sd3(tmp_path / f"sd3-{number}", sd3 / "source", **fields), sd3 / "bundle", words)
    for number, (fields, words) in enumerate(
        (
            ({"num_mode": 3}, "is of several kinds in one (union)"),
            ({"conditioning_embedding_channels": 16}, "looks at pixels"),
            ({"num_attention_heads": 1}, "its width (`num_attention_heads` times `attention_head_dim`) is 16"),
            ({"num_single_layers": 2}, "has 1 blocks and 2 single ones: expected up to 1 and 1"),
        )
    ):
        _refused(write_flux(tmp_path / f"flux-{number}", flux / "source", **fields), flux / "bundle", words)
    _refused(sd3 / "controlnet", flux / "bundle", "expected `FluxControlNetModel` for a bundle of flux")
