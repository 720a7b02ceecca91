"""A checkpoint in the original layout gives the very graphs that its directory gives, byte for byte."""

from __future__ import annotations

import re

import pytest
from safetensors.torch import load_file, save_file

from edgediff_exporters import export
from edgediff_runtimes.errors import SourceError

LAYERS = 1  # of the tiny U-Net
BLOCKS = 2
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
VAE = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
}


def original_unet_name(name):
    is_resnet = ".resnets." in name
    for new, old in UNET_ENDS.items():
        name = re.sub(rf"^{re.escape(new)}\.", f"{old}.", name)
    per = LAYERS + 1
    if match := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", name):
        place = 1 + int(match[1]) * per + int(match[3])
        name = name.replace(match[0], f"input_blocks.{place}.{int(match[2] == 'attentions')}.")
    if match := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.", name):
        name = name.replace(match[0], f"input_blocks.{(int(match[1]) + 1) * per}.0.op.")
    if match := re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", name):
        place = int(match[1]) * per + int(match[3])
        name = name.replace(match[0], f"output_blocks.{place}.{int(match[2] == 'attentions')}.")
    if match := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.", name):
        name = name.replace(match[0], f"output_blocks.{int(match[1]) * per + LAYERS}.2.")  # after an attention
    if is_resnet:
        for new, old in RESNET.items():
            name = name.replace(f".{new}.", f".{old}.")
    return f"model.diffusion_model.{name}"


def original_vae_name(name):
    for new, old in VAE.items():
        name = name.replace(new, old)
    name = re.sub(r"encoder\.down_blocks\.(\d+)\.resnets\.(\d+)", r"encoder.down.\1.block.\2", name)
    name = re.sub(r"encoder\.down_blocks\.(\d+)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
    if match := re.match(r"decoder\.up_blocks\.(\d+)", name):
        name = name.replace(match[0], f"decoder.up.{BLOCKS - 1 - int(match[1])}")
        name = re.sub(r"\.resnets\.(\d+)", r".block.\1", name).replace("upsamplers.0", "upsample")
    return f"first_stage_model.{name}"


def original_tensor(name, tensor):
    if re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name):
        tensor = tensor[:, :, None, None].contiguous()
    return tensor


@pytest.fixture(scope="module")
def checkpoint(sd1, tmp_path_factory):
    tensors = {}
    for name, tensor in load_file(sd1 / "unet" / "diffusion_pytorch_model.safetensors").items():
        tensors[original_unet_name(name)] = tensor
    for name, tensor in load_file(sd1 / "vae" / "diffusion_pytorch_model.safetensors").items():
        tensors[original_vae_name(name)] = original_tensor(original_vae_name(name), tensor)
    for name, tensor in load_file(sd1 / "text_encoder" / "model.safetensors").items():
        plain = name.removeprefix("text_model.")
        tensors[f"cond_stage_model.transformer.text_model.{plain}"] = tensor
    path = tmp_path_factory.mktemp("checkpoint") / "sd1.safetensors"
    save_file(tensors, path)
    return path


def test_it_gives_the_same_graphs_as_the_directory(sd1, checkpoint, report, tmp_path):
    made = export(checkpoint, tmp_path / "bundle", config=sd1)
    assert made.manifest.components == report.manifest.components  # hashes and measured errors included
    assert made.manifest.recipe == report.manifest.recipe
    assert made.manifest.provenance.source == "sd1.safetensors"
    assert made.manifest.provenance.command.endswith("--config sd1")


def test_without_configs_it_says_what_is_lacking(checkpoint, tmp_path):
    with pytest.raises(SourceError, match="holds weights only: expected a directory with its configs") as caught:
        export(checkpoint, tmp_path / "bundle")
    assert "`config=DIR`" in str(caught.value.hint)


def test_another_layout_is_refused(sd1, tmp_path):
    with pytest.raises(SourceError, match=r"has no U-Net of the Stable Diffusion 1.x layout"):
        export(sd1 / "unet" / "diffusion_pytorch_model.safetensors", tmp_path / "bundle", config=sd1)
