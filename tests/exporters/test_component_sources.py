"""Components of FLUX.1 and Stable Diffusion 3 from elsewhere: a T5 in float8, a tiny autoencoder, one of the hub."""

from __future__ import annotations

import json
import shutil
import warnings

import huggingface_hub
import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file

from edgediff_exporters.opening import open_model
from edgediff_runtimes.errors import SourceError
from edgediff_runtimes.recipe.declarations import Gaussian


def weights_of(folder):
    return load_file(next(iter(sorted(folder.glob("*.safetensors")))))


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_a_t5_in_float8_from_a_file(small, tmp_path, scaled):
    folder = small("flux", variant="-dev")
    tensors, expected = {"scaled_fp8": torch.empty(0).to(torch.float8_e4m3fn)} if scaled else {}, {}
    for name, tensor in weights_of(folder / "text_encoder_2").items():
        matrix = tensor.ndim > 1 and name != "shared.weight"
        scale = tensor.abs().max() / 448 if scaled and matrix else torch.ones(())
        tensors[name] = (tensor / scale).to(torch.float8_e4m3fn) if matrix else tensor
        expected[name] = tensors[name].float() * scale
        if scaled and matrix:
            tensors[f"{name.removesuffix('weight')}scale_weight"] = scale.reshape(())
    path = tmp_path / "t5xxl_fp8_e4m3fn.safetensors"
    save_file(tensors, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = open_model(
            folder, config=None, components={"text_encoder_2": tmp_path / "t5xxl_fp8_e4m3fn.safetensors"}
        )
    found = opened.source.weights("text_encoder_2").tensors
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].float(), tensor) for name, tensor in expected.items())
    assert opened.source.replaced["text_encoder_2"].name == "t5xxl_fp8_e4m3fn.safetensors"


def test_a_quantised_t5_is_named_as_what_it_is(small, tmp_path):
    folder = small("flux", variant="-dev")
    (tmp_path / "t5.gguf").write_bytes(b"GGUF")
    with pytest.raises(SourceError, match=r"`t5.gguf` of the component `text_encoder_2` is a GGUF file"):
        open_model(folder, config=None, components={"text_encoder_2": tmp_path / "t5.gguf"})
    other = shutil.copytree(folder / "text_encoder_2", tmp_path / "text_encoder_2")
    config = json.loads((other / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (other / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match=r"`text_encoder_2` are quantised \(bitsandbytes\): expected weights in"):
        open_model(folder, config=None, components={"text_encoder_2": other})


@pytest.mark.parametrize("case", ["flux", "stable_diffusion_3"])
def test_a_tiny_autoencoder_gives_scaled_latents(small, tmp_path, case):
    folder = small(case, variant={"flux": "-dev", "stable_diffusion_3": "-3.5"}[case])
    channels = {f"{half}_block_out_channels": (8, 8) for half in ("encoder", "decoder")}
    AutoencoderTiny(**channels, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)).save_pretrained(tmp_path / "tae")
    opened = open_model(folder, config=None, components={"vae": tmp_path / "tae"})
    assert opened.source.configs().scaling() == (1.0, 0.0)
    assert {plan.role: plan.outputs for plan in opened.plans}["vae_encoder"] == ("latent_sample",)
    parts = [part for phase in opened.recipe.first.phases.values() for part in phase]
    assert not any(isinstance(part, Gaussian) for part in parts)


def test_a_component_of_a_model_in_the_hubs_cache(small, tmp_path, monkeypatch):
    folder = small("flux", variant="-dev")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    commit, repository = "0" * 40, tmp_path / "models--owner--model"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    others = dict.fromkeys(("text_encoder", "text_encoder_2", "vae"), "owner/model")
    folder_without = shutil.copytree(folder, tmp_path / "without")
    shutil.rmtree(folder_without / "tokenizer_2")
    opened = open_model(folder_without, config=None, components=others)
    assert {role: part.name for role, part in opened.source.replaced.items()} == others | {"tokenizer_2": "owner/model"}
    for origin in others:
        found, expected = opened.source.weights(origin).tensors, weights_of(folder / origin)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
