"""Components from elsewhere: another VAE, a tiny one, another text encoder, parts that are missing."""

from __future__ import annotations

import copy as copying
import dataclasses
import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from safetensors.torch import load_file, save_file

import edgediff
from edgediff_exporters.opening import open_model
from edgediff_exporters.sources import open_source
from edgediff_exporters.sources.replacing import with_components
from edgediff_runtimes.bundle import Bundle, Manifest
from edgediff_runtimes.errors import SettingError, SourceError, ToleranceError
from edgediff_runtimes.recipe.declarations import Gaussian

STEPS = 4


def _tiny(folder):
    torch.manual_seed(3)
    made = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    made.save_pretrained(folder)
    return folder


def _other_vae(sd1, folder):
    """A VAE of the same shape with other weights and another scaling."""
    config = {**AutoencoderKL.load_config(sd1 / "vae"), "scaling_factor": 0.5}
    torch.manual_seed(4)
    AutoencoderKL.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny_vae(tmp_path_factory):
    return _tiny(tmp_path_factory.mktemp("tiny") / "taesd")


@pytest.fixture(scope="module")
def bundle(sd1, tiny_vae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    edgediff.export(sd1, folder, components={"vae": tiny_vae})
    return folder


@pytest.fixture
def copy(sd1, tmp_path):
    return shutil.copytree(sd1, tmp_path / "copy")


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning:diffusers")
@pytest.mark.parametrize("from_picture", [False, True], ids=["text", "image"])
def test_a_tiny_autoencoder_draws_as_in_diffusers(sd1, tiny_vae, bundle, from_picture):
    kind = StableDiffusionImg2ImgPipeline if from_picture else StableDiffusionPipeline
    theirs = kind.from_pretrained(sd1, safety_checker=None, vae=AutoencoderTiny.from_pretrained(tiny_vae))
    theirs.set_progress_bar_config(disable=True)
    theirs.scheduler = DDIMScheduler.from_pretrained(sd1 / "scheduler")  # the pipeline has changed its own
    picture = Image.radial_gradient("L").resize((24, 16)).convert("RGB")
    sizes = {"image": [picture] * 2, "strength": 0.6} if from_picture else {"width": 24, "height": 16}
    common = {"num_inference_steps": STEPS, "guidance_scale": 4.0, **sizes}

    def draw(output_type):
        generators = [torch.Generator("cpu").manual_seed(7 + index) for index in range(2)]
        return theirs(["a fox", "a cat"], generator=generators, output_type=output_type, **common).images

    latents, pictures = draw("latent").numpy(), draw("pil")
    asked = {"image": picture, "strength": 0.6} if from_picture else {"width": 24, "height": 16}
    with edgediff.load(bundle) as drawing:
        result = drawing(["a fox", "a cat"], steps=STEPS, guidance=4.0, seed=7, **asked)
    assert np.abs(result.latents - latents).max() <= 1e-3 * np.abs(latents).max()
    for drawn, expected in zip(result.images, pictures, strict=True):
        assert np.abs(np.asarray(drawn, np.int16) - np.asarray(expected, np.int16)).max() <= 2


def test_it_draws_nothing_at_random_when_it_encodes(bundle):
    opened = Bundle.open(bundle)
    parts = [part for phase in opened.manifest.recipe.first.phases.values() for part in phase]
    assert not any(isinstance(part, Gaussian) for part in parts)
    with (
        edgediff.load(bundle) as drawing,
        pytest.raises(SettingError, match="`encode` is 'mode': expected nothing, because the bundle's model does not"),
    ):
        drawing("a fox", image=Image.new("RGB", (16, 16)), encode="mode")


def test_where_it_comes_from_is_recorded_without_a_path(sd1, tiny_vae, bundle):
    manifest = Bundle.open(bundle).manifest
    origin = manifest.provenance.components["vae"]
    assert (origin.source, len(origin.sha256)) == ("taesd", 64)
    assert "--component vae=taesd" in manifest.provenance.command
    assert str(tiny_vae.parent) not in manifest.to_json()
    assert Manifest.from_json(manifest.to_json()) == manifest
    index = json.loads((bundle / "model_index.json").read_text("utf-8"))
    assert index["vae"] == ["diffusers", "AutoencoderTiny"]
    assert manifest.provenance.source == sd1.name


def test_verify_wants_the_component_again(sd1, tiny_vae, bundle):
    found = edgediff.verify(bundle, against=sd1, components={"vae": tiny_vae}, quick=True)
    assert max(found.errors.values()) < 1e-4
    with pytest.raises((SourceError, ToleranceError, KeyError)):
        edgediff.verify(bundle, against=sd1, quick=True)
    with pytest.raises(SettingError, match="`components` is 'vae': expected nothing without `against`"):
        edgediff.verify(bundle, components={"vae": tiny_vae}, quick=True)


def _weights(opened, origin):
    return {name: tensor.clone() for name, tensor in opened.source.weights(origin).tensors.items()}


@pytest.mark.parametrize("kind", ["component", "model", "file", "file of training"])
def test_another_vae(sd1, tmp_path, kind):
    folder = _other_vae(sd1, tmp_path / "model" / "vae")
    expected = load_file(folder / "diffusion_pytorch_model.safetensors")
    place, scaling = folder, 0.5
    if kind == "model":
        place = folder.parent
    if kind.startswith("file"):
        place, scaling = tmp_path / "vae.safetensors", 0.18215  # the configs are those of the source
        save_file(expected if kind == "file" else _as_trained(expected), place)
    opened = open_model(sd1, config=None, components={"vae": place})
    found = _weights(opened, "vae")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].reshape(-1), tensor.reshape(-1)) for name, tensor in expected.items())
    assert opened.source.configs().scaling()[0] == pytest.approx(scaling)


def _as_trained(tensors):
    """The names that Stable Diffusion's own training gives a VAE of two blocks with one layer each."""
    renamed = {}
    for name, tensor in tensors.items():
        new = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        new = new.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
        new = new.replace("mid_block.attentions.0.", "mid.attn_1.").replace("group_norm", "norm")
        new = new.replace("downsamplers.0.conv", "downsample.conv").replace("upsamplers.0.conv", "upsample.conv")
        for index in range(2):
            new = new.replace(f"down_blocks.{index}.", f"down.{index}.").replace(
                f"up_blocks.{index}.", f"up.{1 - index}."
            )
        new = new.replace(".resnets.", ".block.")
        for ours, theirs in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
            if "attn_1" in new:
                new = new.replace(f".{ours}.", f".{theirs}.")
        product = "attn_1" in new and tensor.ndim == 2  # a convolution of one pixel there
        renamed[new] = (tensor[..., None, None] if product else tensor).contiguous()
    return renamed


def test_another_text_encoder_and_its_tokenizer(sd1, copy, tmp_path):
    other = tmp_path / "other"
    for name in ("text_encoder", "tokenizer"):
        shutil.copytree(copy / name, other / name)
    tensors = load_file(other / "text_encoder" / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, other / "text_encoder" / "model.safetensors")
    shutil.rmtree(copy / "text_encoder")  # a source may lack what is given
    opened = open_model(copy, config=None, components={"text_encoder": other, "tokenizer": other})
    found, own = _weights(opened, "text_encoder"), open_source(sd1).weights("text_encoder").tensors
    assert all(torch.equal(found[name], tensor + 1) for name, tensor in own.items())
    assert opened.source.find("tokenizer/vocab.json") == other / "tokenizer" / "vocab.json"
    assert {plan.role for plan in opened.plans} == {"text_encoder", "unet", "vae_decoder", "vae_encoder"}


def test_a_later_stage_brings_the_settings_of_its_own_model(sd1, copy):
    index = json.loads((copy / "model_index.json").read_text("utf-8"))
    index |= {"force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True}
    (copy / "model_index.json").write_text(json.dumps(index))
    source = with_components(open_source(sd1), {"refiner_unet": copy})
    assert source.index["refiner_unet"] == ["diffusers", "UNet2DConditionModel"]
    assert source.index["refiner_force_zeros_for_empty_prompt"] is False
    assert source.configs().has("refiner_unet")
    assert source.config("refiner_unet") == open_source(sd1).config("unet")
    # The source itself is as it was.
    assert not dataclasses.replace(source, replaced={}).configs().has("refiner_unet")


REFUSED = {
    "no such role": (
        "vea",
        "model",
        SettingError,
        "`components` is 'vea=copy': expected components among text",
    ),
    "nothing there": ("vae", "nowhere", SourceError, "`nowhere` of the component `vae` is not there: expected a direc"),
    "no such part": ("vae", "empty", SourceError, "`empty` has no component `vae`: expected `config.json` in it, or"),
    "a pickle": ("vae", "vae.ckpt", SourceError, "`vae.ckpt` of the component `vae` is no `.safetensors` file"),
    "other channels": ("vae", "wide", SourceError, "the U-Net takes 4 channels and gives 4: expected 8, the channels"),
    "other class": ("vae", "unet", SourceError, "`vae` is of the class `UNet2DConditionModel`: expected AutoencoderKL"),
    "other tensors": ("vae", "text.safetensors", SourceError, "the weights of `vae` are not complete: expected a ten"),
}


@pytest.mark.filterwarnings("ignore::edgediff_exporters.leftovers.UnreadTensorsWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_one_sentence(sd1, copy, tmp_path, case):
    role, name, kind, sentence = REFUSED[case]
    (tmp_path / "empty").mkdir()
    (tmp_path / "vae.ckpt").touch()
    shutil.copyfile(copy / "text_encoder" / "model.safetensors", tmp_path / "text.safetensors")
    config = copying.deepcopy(dict(AutoencoderKL.load_config(copy / "vae")))
    AutoencoderKL.from_config({**config, "latent_channels": 8}).save_pretrained(tmp_path / "wide")
    UNet2DConditionModel.from_pretrained(copy / "unet").save_pretrained(tmp_path / "unet")
    place = copy if name == "model" else tmp_path / name
    with pytest.raises(kind) as caught:
        open_model(sd1, config=None, components={role: place})
    assert sentence in caught.value.sentence
    assert str(tmp_path) not in caught.value.sentence


def test_a_file_needs_the_sources_own_config(copy, tmp_path):
    (copy / "vae" / "diffusion_pytorch_model.safetensors").rename(tmp_path / "x.safetensors")
    shutil.rmtree(copy / "vae")
    with pytest.raises(SourceError, match=r"`x.safetensors` holds weights only, and `copy` has no `vae/config.json`"):
        open_model(copy, config=None, components={"vae": tmp_path / "x.safetensors"})
