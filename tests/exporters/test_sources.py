from __future__ import annotations

import json
import shutil

import huggingface_hub
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from edgediff_exporters import export
from edgediff_exporters.families import plans_of
from edgediff_exporters.sources import open_source
from edgediff_runtimes.errors import SettingError, SourceError


@pytest.fixture
def copy(sd1, tmp_path):
    """A copy of ``sd1`` to spoil."""
    return shutil.copytree(sd1, tmp_path / "model")


def refused(source, words, **options):
    with pytest.raises(SourceError, match=words) as caught:
        export(source, source.parent / "bundle", **options)
    assert caught.value.sentence.count("\n") == 0
    assert not (source.parent / "bundle").exists()
    assert not list(source.parent.glob(".*"))
    return caught.value


def test_what_is_not_there(tmp_path):
    refused(tmp_path / "nothing", "`nothing` is not there: expected a directory")


def test_not_a_model_directory(tmp_path):
    (tmp_path / "model").mkdir()
    refused(tmp_path / "model", "`model` is not a model directory: expected `model_index.json`")


def test_an_index_that_is_not_json(copy):
    (copy / "model_index.json").write_text("{")
    refused(copy, "`model/model_index.json` cannot be read as JSON")


def test_an_unknown_family_is_named(copy):
    (copy / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    refused(copy, "the family of `FluxPipeline` is unknown: expected one of LatentConsistencyModelImg2ImgPipeline")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component(copy, part):
    shutil.rmtree(copy / part)
    refused(copy, f"the component `{part}` is missing")


def test_missing_weights(copy):
    (copy / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"`unet` has no weights: expected a `.safetensors` file"):
        open_source(copy).weights("unet")


def test_weights_that_are_only_a_pickle(copy):
    (copy / "text_encoder" / "model.safetensors").unlink()
    (copy / "text_encoder" / "pytorch_model.bin").write_bytes(b"\x80\x04")
    error = refused(copy, "the weights of `text_encoder` are there only as a pickle")
    assert "safe_serialization=True" in str(error.hint)


def test_a_pickled_checkpoint(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x04")
    refused(tmp_path / "model.ckpt", "`model.ckpt` is a pickle, which can run any code")


def test_truncated_weights(copy):
    path = copy / "text_encoder" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(copy, "`model.safetensors` is not a whole safetensors file")


@pytest.mark.parametrize("content", [b"", (10**9).to_bytes(8, "little"), b"\x02" + bytes(7) + b"{]"])
def test_damaged_weights(copy, content):
    (copy / "text_encoder" / "model.safetensors").write_bytes(content)
    refused(copy, "`model.safetensors` is not a whole safetensors file")


def test_a_tensor_that_leaves_its_file(copy):
    header = json.dumps({"a": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(16)
    (copy / "text_encoder" / "model.safetensors").write_bytes(content)
    refused(copy, "`a` ends at")


def test_a_missing_and_a_misshapen_tensor_are_named(copy):
    path = copy / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    name = "final_layer_norm.bias"
    key = next(key for key in tensors if key.endswith(name))
    save_file({key_: tensor for key_, tensor in tensors.items() if key_ != key}, path)
    refused(copy, f"`text_encoder` are not complete: expected a tensor `{name}`")
    save_file({**tensors, key: torch.zeros(3)}, path)
    refused(copy, f"the tensor `{name}` of `text_encoder` has shape")


def test_an_unknown_format_is_refused(sd1, tmp_path):
    with pytest.raises(SettingError, match="`format` is 'coreml': expected one of onnx, openvino"):
        export(sd1, tmp_path / "bundle", format="coreml")


def test_a_config_is_refused_where_it_would_do_nothing(sd1, tmp_path):
    with pytest.raises(SettingError, match="only a single checkpoint needs it"):
        export(sd1, tmp_path / "bundle", config=sd1)


def test_a_unet_with_other_conditions_is_refused(copy):
    path = copy / "unet" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "addition_embed_type": "text_time"}))
    refused(copy, "expected a Stable Diffusion 1.x or 2.x U-Net")


def test_shards_and_half_precision_files_are_read(sd1, tmp_path):
    unet = UNet2DConditionModel.from_pretrained(sd1 / "unet")
    unet.half().save_pretrained(tmp_path / "model" / "unet", max_shard_size="20KB")
    assert len(list((tmp_path / "model" / "unet").glob("*.safetensors"))) > 2
    shutil.copy(sd1 / "model_index.json", tmp_path / "model")
    tensors = open_source(tmp_path / "model").weights("unet").tensors
    assert tensors.keys() == unet.state_dict().keys()
    for name, tensor in unet.state_dict().items():
        torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=0)


def test_dropping_pages_loses_nothing(sd1):
    weights = open_source(sd1).weights("unet")
    before = {name: tensor.clone() for name, tensor in weights.tensors.items()}
    weights.drop_pages()
    for name, tensor in before.items():
        torch.testing.assert_close(weights.tensors[name], tensor, rtol=0, atol=0)


def test_old_names_of_the_vaes_attention_are_known():
    rename = next(p.rename for p in plans_of("stable-diffusion", _Configs()) if p.origin == "vae")
    assert rename("decoder.mid_block.attentions.0.proj_attn.weight") == "decoder.mid_block.attentions.0.to_out.0.weight"
    assert rename("encoder.mid_block.attentions.0.query.bias") == "encoder.mid_block.attentions.0.to_q.bias"


class _Configs:
    """The configs of a source that has no files."""

    def config(self, origin):
        return {
            "vae": {"latent_channels": 4, "in_channels": 3, "block_out_channels": [8, 8]},
            "unet": {"in_channels": 4, "cross_attention_dim": 8},
            "text_encoder": {"vocab_size": 10, "max_position_embeddings": 8},
        }[origin]


def test_a_hub_name_without_a_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SourceError, match=r"`owner/model` is no local path.*HF_HUB_OFFLINE is set") as caught:
        open_source("owner/model")
    assert caught.value.hint is not None


def test_a_hub_name_in_the_hubs_cache(sd1, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    commit, repository = "0" * 40, tmp_path / "models--owner--model"
    shutil.copytree(sd1, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    source = open_source("owner/model")
    assert source.name == "owner/model"
    assert source.weights("unet").tensors
