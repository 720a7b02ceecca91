"""A bundle grows by an IP-Adapter: it draws what diffusers draws with it, and without a picture what it drew before.

Bounds: final latents 1e-3 of their largest value, pictures 2/255; OpenVINO in f32 5e-3 and 4/255.
"""

from __future__ import annotations

import json
import shutil

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from steering import (
    BOUNDS,
    PROMPTS,
    SAMPLER,
    SEED,
    STEPS,
    assert_same,
    perturb,
    picture,
    with_sampler,
    write_controlnet,
)
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

import edgediff
from edgediff_exporters import TrialOptions
from edgediff_exporters.modules.ip_adapter import attention_channels
from edgediff_runtimes.bundle import Bundle
from edgediff_runtimes.errors import SettingError, SourceError

SIDE, EMBEDDED, WIDTH = 16, 12, 16

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


def write_encoder(folder, *, projection_dim=EMBEDDED):
    torch.manual_seed(3)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        projection_dim=projection_dim,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=8,
    )
    perturb(CLIPVisionModelWithProjection(config)).save_pretrained(folder)
    return folder


def write_adapter(file, channels, *, width=WIDTH):
    """As published: `channels` are those of the cross-attentions of the encoder, the decoder and the middle."""
    generator = torch.Generator().manual_seed(4)

    def noise(*shape):
        return torch.randn(shape, generator=generator) / shape[-1] ** 0.5

    tensors = {
        "image_proj.proj.weight": noise(4 * width, EMBEDDED),
        "image_proj.proj.bias": noise(4 * width),
        "image_proj.norm.weight": 1 + 0.2 * noise(width),
        "image_proj.norm.bias": 0.2 * noise(width),
    }
    for place, count in enumerate(channels):
        for word in ("to_k_ip", "to_v_ip"):
            tensors[f"ip_adapter.{2 * place + 1}.{word}.weight"] = noise(count, width)
    save_file(tensors, file)
    return file


@pytest.fixture(scope="session")
def adapter(sd1, shared):
    """The file of an adapter for the tiny Stable Diffusion, beside its image encoder."""

    def make(folder):
        config = json.loads((sd1 / "unet" / "config.json").read_text("utf-8"))
        down, middle, up = attention_channels(config)
        write_encoder(folder / "image_encoder")
        write_adapter(folder / "adapter.safetensors", [*down, *up, *middle])

    return shared("ip-adapter", make) / "adapter.safetensors"


@pytest.fixture(scope="session")
def grown(adapter, report, shared):
    """The tiny bundle with it; not to be written to."""

    def make(folder):
        shutil.copytree(report.path, folder / "bundle")
        edgediff.add(adapter, folder / "bundle")

    return shared("grown-by-ip-adapter", make) / "bundle"


@pytest.fixture(scope="session")
def theirs(sd1, adapter):
    """diffusers' pipeline with it."""
    parts = diffusers.StableDiffusionPipeline.from_pretrained(sd1, safety_checker=None).components
    parts["image_encoder"] = CLIPVisionModelWithProjection.from_pretrained(adapter.parent / "image_encoder")
    parts["feature_extractor"] = CLIPImageProcessor(size=SIDE, crop_size=SIDE)
    pipeline = diffusers.StableDiffusionPipeline(**with_sampler(parts), requires_safety_checker=False)
    tensors = load_file(adapter)
    pipeline.load_ip_adapter(
        {
            kind: {name.removeprefix(f"{kind}."): one for name, one in tensors.items() if name.startswith(f"{kind}.")}
            for kind in ("image_proj", "ip_adapter")
        },
        subfolder="",
        weight_name="",
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn(pipeline, pictures, *, scale, guidance, size, batch):
    pipeline.set_ip_adapter_scale(scale)
    latents = pipeline(
        prompt=PROMPTS[:batch],
        ip_adapter_image=[pictures],
        width=size[0],
        height=size[1],
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        generator=[torch.Generator("cpu").manual_seed(SEED + i) for i in range(batch)],
        output_type="latent",
    ).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return latents.numpy(), pipeline.image_processor.postprocess(decoded, output_type="pil")


def ours(bundle, *, batch=1, engine=None, size=(24, 16), **options):
    with edgediff.load(bundle, engine=engine) as pipeline:
        common = {"seed": SEED, "steps": STEPS, **SAMPLER, "width": size[0], "height": size[1]}
        return pipeline(PROMPTS[:batch], **common, **options)


# Guidance, how many pictures, how much they weigh.
ASKED = [
    (1.0, 1, 0.8),
    (5.0, 1, 0.5),
    (5.0, 3, 1.2),
]


@pytest.mark.parametrize("engine", BOUNDS)
@pytest.mark.parametrize(("guidance", "count", "scale"), ASKED)
def test_same_seed_same_picture(grown, theirs, engine, guidance, count, scale):
    pictures = [picture(30, 22), picture(17, 40, turn=1), picture(16, 16)][:count]
    expected = drawn(theirs, pictures, scale=scale, guidance=guidance, size=(24, 16), batch=1)
    given = pictures[0] if count == 1 else pictures
    result = ours(grown, engine=engine, guidance=guidance, prompt_image=given, prompt_image_scale=scale)
    assert_same(result, expected, engine)
    without = ours(grown, engine=engine, guidance=guidance)
    assert np.abs(result.latents - without.latents).max() > 0.02 * np.abs(without.latents).max()
    assert result.computed["image_encoder"].calls == 1


def test_in_one_go_it_is_the_same_bundle(sd1, adapter, grown, tmp_path):
    made = edgediff.export(sd1, tmp_path / "bundle", ip_adapter=adapter).manifest
    added = Bundle.open(grown).manifest
    files = {role: [(file.path, file.sha256) for file in one.files] for role, one in added.components.items()}
    assert {role: [(file.path, file.sha256) for file in one.files] for role, one in made.components.items()} == files
    assert made.recipe == added.recipe
    assert adapter.name in made.provenance.command
    assert str(adapter.parent) not in made.to_json()


def test_what_cannot_be_added_in_one_go_is_refused_before_anything_is_exported(sd1, adapter, tmp_path):
    told = []
    alone = shutil.copyfile(adapter, tmp_path / "alone.safetensors")
    with pytest.raises(SourceError, match=r"`alone.safetensors` has no image encoder: expected a directory"):
        edgediff.export(sd1, tmp_path / "bundle", ip_adapter=alone, on_progress=told.append)
    with pytest.raises(SettingError, match=r"`ip_adapter` is 'model_index.json': expected a `.safetensors` file"):
        edgediff.export(sd1, tmp_path / "bundle", ip_adapter=sd1 / "model_index.json", on_progress=told.append)
    assert told == []
    assert not (tmp_path / "bundle").exists()


def test_prompts_of_a_batch_have_the_same_pictures(grown):
    both = ours(grown, batch=2, guidance=4.0, prompt_image=picture())
    with edgediff.load(grown) as pipeline:
        common = {"seed": SEED + 1, "steps": STEPS, **SAMPLER, "width": 24, "height": 16}
        second = pipeline(PROMPTS[1], **common, guidance=4.0, prompt_image=picture())
    np.testing.assert_allclose(both.latents[1:], second.latents, rtol=1e-3, atol=1e-3)


def test_without_a_picture_it_draws_bit_for_bit_what_it_drew(grown, report):
    for guidance in (1.0, 5.0):
        before, after = (ours(path, batch=2, guidance=guidance) for path in (report.path, grown))
        np.testing.assert_array_equal(before.latents, after.latents)
        assert not after.computed.keys() & {"image_encoder", "ip_adapter"}
        nothing = ours(grown, batch=2, guidance=guidance, prompt_image=picture(), prompt_image_scale=0)
        np.testing.assert_array_equal(before.latents, nothing.latents)


@pytest.mark.parametrize(
    "precision",
    [pytest.param(name, marks=(pytest.mark.slow, pytest.mark.nightly)) for name in ("fp16", "w4")] + ["w8"],
)
def test_in_every_precision_the_network_is_what_it_was(exported, adapter, tmp_path, precision):
    few = TrialOptions(evaluation_pictures=0)
    before = exported("sd1", precision={"unet": precision}, trials=few).path
    grown = shutil.copytree(before, tmp_path / "grown")
    edgediff.add(adapter, grown)
    np.testing.assert_array_equal(ours(before, guidance=5.0).latents, ours(grown, guidance=5.0).latents)
    with_picture = ours(grown, guidance=5.0, prompt_image=picture())
    assert np.abs(with_picture.latents - ours(grown, guidance=5.0).latents).max() > 1e-2
    edgediff.verify(grown)


def test_beside_a_controlnet(grown, sd1, tmp_path):
    bundle = shutil.copytree(grown, tmp_path / "bundle")
    edgediff.add(write_controlnet(tmp_path / "edges", sd1 / "unet", 3), bundle)
    alone = ours(grown, prompt_image=picture())
    np.testing.assert_array_equal(alone.latents, ours(bundle, prompt_image=picture()).latents)
    both = ours(bundle, prompt_image=picture(), control_image=picture())
    assert np.abs(both.latents - alone.latents).max() > 1e-2


def test_large_weights_lie_in_a_file_of_their_own(adapter, report, tmp_path, monkeypatch):
    monkeypatch.setattr("edgediff_exporters.passes.open_attention.INLINE_BYTES", 0)
    bundle = shutil.copytree(report.path, tmp_path / "bundle")
    edgediff.add(adapter, bundle)
    files = Bundle.open(bundle).manifest.components["unet"].files
    assert [file.path for file in files] == ["unet/model.onnx", "unet/ip_adapter.onnx_data"]
    edgediff.verify(bundle)
    assert ours(bundle, prompt_image=picture()).latents.shape == (1, 4, 8, 12)


def refused(bundle, source, words, error=SourceError, **options):
    before = {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}
    with pytest.raises(error) as caught:
        edgediff.add(source, bundle, **options)
    assert words in caught.value.sentence
    assert before == {path: path.read_bytes() for path in bundle.rglob("*") if path.is_file()}


def test_what_is_no_adapter_for_the_bundle_is_refused(grown, report, adapter, exported, tmp_path):
    bundle = shutil.copytree(report.path, tmp_path / "bundle")
    encoder = {"image_encoder": adapter.parent / "image_encoder"}
    refused(shutil.copytree(grown, tmp_path / "grown"), adapter, "has an IP-Adapter already")
    wider = write_adapter(tmp_path / "wider.safetensors", [24, 24, 24])
    refused(
        bundle, wider, "made for another U-Net: its cross-attentions have (24, 16), not (16, 16)", components=encoder
    )
    fewer = write_adapter(tmp_path / "fewer.safetensors", [16, 16])
    refused(bundle, fewer, "2 of them, expected", components=encoder)
    plus = tmp_path / "plus.safetensors"
    save_file({**load_file(adapter), "image_proj.latents": torch.zeros(1, 4, 8)}, plus)
    refused(
        bundle, plus, "holds `image_proj.latents`: expected an IP-Adapter with a linear projection", components=encoder
    )
    refused(bundle, shutil.copyfile(adapter, tmp_path / "alone.safetensors"), "is not there")
    other = write_encoder(tmp_path / "other", projection_dim=8)
    refused(bundle, adapter, "gives 8 numbers for a picture: expected 12", components={"image_encoder": other})
    refused(bundle, adapter, "`image_encoder`, of an IP-Adapter, alone", SettingError, components={"vae": other})
    few = TrialOptions(evaluation_pictures=0)
    ir = shutil.copytree(exported("sd1", format="openvino", precision="fp32", trials=few).path, tmp_path / "ir")
    refused(ir, adapter, "has graphs of OpenVINO's: expected ONNX graphs")


def test_prompt_pictures_are_applied_or_refused(grown, report):
    for path, options, words in (
        (report.path, {"prompt_image": picture()}, "has no IP-Adapter"),
        (grown, {"prompt_image_scale": 0.5}, "there is no `prompt_image`"),
        (grown, {"prompt_image": []}, "1 to 64"),
        (grown, {"prompt_image": picture(), "prompt_image_scale": "much"}, "a finite number"),
    ):
        with pytest.raises(SettingError) as caught:
            ours(path, **options)
        assert words in caught.value.sentence


def test_cross_attentions_of_the_published_networks():
    """16 of Stable Diffusion 1.5, 70 of XL."""
    sd15 = {
        "block_out_channels": [320, 640, 1280, 1280],
        "layers_per_block": 2,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    }
    down, middle, up = attention_channels(sd15)
    assert down == [320] * 2 + [640] * 2 + [1280] * 2
    assert middle == [1280]
    assert up == [1280] * 3 + [640] * 3 + [320] * 3
    sdxl = {
        "block_out_channels": [320, 640, 1280],
        "layers_per_block": 2,
        "transformer_layers_per_block": [1, 2, 10],
        "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"],
    }
    assert [len(part) for part in attention_channels(sdxl)] == [24, 10, 36]
