"""The names of lone checkpoints, from those of diffusers and transformers: the other way round than they are read."""

from __future__ import annotations

import json
import re

import torch

UNET = "model.diffusion_model."
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


def original_unet_name(name, layers=LAYERS, plain_up=()):
    """`plain_up`: which blocks on the way up have no attention."""
    is_resnet = ".resnets." in name
    for new, old in UNET_ENDS.items():
        name = re.sub(rf"^{re.escape(new)}\.", f"{old}.", name)
    per = layers + 1
    if match := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", name):
        place = 1 + int(match[1]) * per + int(match[3])
        name = name.replace(match[0], f"input_blocks.{place}.{int(match[2] == 'attentions')}.")
    if match := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.", name):
        name = name.replace(match[0], f"input_blocks.{(int(match[1]) + 1) * per}.0.op.")
    if match := re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", name):
        place = int(match[1]) * per + int(match[3])
        name = name.replace(match[0], f"output_blocks.{place}.{int(match[2] == 'attentions')}.")
    if match := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.", name):
        after = 1 if int(match[1]) in plain_up else 2  # modules: a convolution, and an attention
        name = name.replace(match[0], f"output_blocks.{int(match[1]) * per + layers}.{after}.")
    if is_resnet:
        for new, old in RESNET.items():
            name = name.replace(f".{new}.", f".{old}.")
    return f"{UNET}{name}"


def original_vae_name(name, blocks=BLOCKS):
    for new, old in VAE.items():
        name = name.replace(new, old)
    name = re.sub(r"encoder\.down_blocks\.(\d+)\.resnets\.(\d+)", r"encoder.down.\1.block.\2", name)
    name = re.sub(r"encoder\.down_blocks\.(\d+)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
    if match := re.match(r"decoder\.up_blocks\.(\d+)", name):
        name = name.replace(match[0], f"decoder.up.{blocks - 1 - int(match[1])}")
        name = re.sub(r"\.resnets\.(\d+)", r".block.\1", name).replace("upsamplers.0", "upsample")
    return f"first_stage_model.{name}"


def original_tensor(name, tensor):
    if re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name):
        tensor = tensor[:, :, None, None].contiguous()
    return tensor


OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm": "ln_final",
    "encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def original_open_clip(tensors, prefix="cond_stage_model.model."):
    """The text encoder in OpenCLIP's names: queries, keys and values in one tensor, the projection transposed."""
    made = {}
    for name, tensor in tensors.items():
        if name == "text_projection.weight":
            made[f"{prefix}text_projection"] = tensor.T.contiguous()
            continue
        old = name.removeprefix("text_model.")
        for theirs, ours in OPEN_CLIP.items():
            old = old.replace(theirs, ours)
        if match := re.fullmatch(r"(.*)\.self_attn\.q_proj\.(weight|bias)", old):
            thirds = [tensors[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            made[f"{prefix}{match[1]}.attn.in_proj_{match[2]}"] = torch.cat(thirds)
        elif ".self_attn." not in old:
            made[f"{prefix}{old}"] = tensor
    return made


TIME = {"timestep": "time", "text": "vector", "guidance": "guidance"}
FLUX = {
    r"x_embedder": "img_in",
    r"context_embedder": "txt_in",
    r"proj_out": "final_layer.linear",
    r"norm_out\.linear": "final_layer.adaLN_modulation.1",
    r"transformer_blocks\.(\d+)\.norm1\.linear": r"double_blocks.\1.img_mod.lin",
    r"transformer_blocks\.(\d+)\.norm1_context\.linear": r"double_blocks.\1.txt_mod.lin",
    r"transformer_blocks\.(\d+)\.attn\.to_q": r"double_blocks.\1.img_attn.qkv",
    r"transformer_blocks\.(\d+)\.attn\.add_q_proj": r"double_blocks.\1.txt_attn.qkv",
    r"transformer_blocks\.(\d+)\.attn\.to_out\.0": r"double_blocks.\1.img_attn.proj",
    r"transformer_blocks\.(\d+)\.attn\.to_add_out": r"double_blocks.\1.txt_attn.proj",
    r"transformer_blocks\.(\d+)\.attn\.norm_q": r"double_blocks.\1.img_attn.norm.query_norm",
    r"transformer_blocks\.(\d+)\.attn\.norm_k": r"double_blocks.\1.img_attn.norm.key_norm",
    r"transformer_blocks\.(\d+)\.attn\.norm_added_q": r"double_blocks.\1.txt_attn.norm.query_norm",
    r"transformer_blocks\.(\d+)\.attn\.norm_added_k": r"double_blocks.\1.txt_attn.norm.key_norm",
    r"transformer_blocks\.(\d+)\.ff\.net\.0\.proj": r"double_blocks.\1.img_mlp.0",
    r"transformer_blocks\.(\d+)\.ff\.net\.2": r"double_blocks.\1.img_mlp.2",
    r"transformer_blocks\.(\d+)\.ff_context\.net\.0\.proj": r"double_blocks.\1.txt_mlp.0",
    r"transformer_blocks\.(\d+)\.ff_context\.net\.2": r"double_blocks.\1.txt_mlp.2",
    r"single_transformer_blocks\.(\d+)\.norm\.linear": r"single_blocks.\1.modulation.lin",
    r"single_transformer_blocks\.(\d+)\.attn\.to_q": r"single_blocks.\1.linear1",
    r"single_transformer_blocks\.(\d+)\.attn\.norm_q": r"single_blocks.\1.norm.query_norm",
    r"single_transformer_blocks\.(\d+)\.attn\.norm_k": r"single_blocks.\1.norm.key_norm",
    r"single_transformer_blocks\.(\d+)\.proj_out": r"single_blocks.\1.linear2",
}
SD3 = {
    r"pos_embed\.pos_embed": "pos_embed",
    r"pos_embed\.proj": "x_embedder.proj",
    r"context_embedder": "context_embedder",
    r"proj_out": "final_layer.linear",
    r"norm_out\.linear": "final_layer.adaLN_modulation.1",
    r"time_text_embed\.timestep_embedder\.linear_1": "t_embedder.mlp.0",
    r"time_text_embed\.timestep_embedder\.linear_2": "t_embedder.mlp.2",
    r"time_text_embed\.text_embedder\.linear_1": "y_embedder.mlp.0",
    r"time_text_embed\.text_embedder\.linear_2": "y_embedder.mlp.2",
    r"transformer_blocks\.(\d+)\.norm1\.linear": r"joint_blocks.\1.x_block.adaLN_modulation.1",
    r"transformer_blocks\.(\d+)\.norm1_context\.linear": r"joint_blocks.\1.context_block.adaLN_modulation.1",
    r"transformer_blocks\.(\d+)\.(attn2?)\.to_q": r"joint_blocks.\1.x_block.\2.qkv",
    r"transformer_blocks\.(\d+)\.(attn2?)\.norm_([qk])": r"joint_blocks.\1.x_block.\2.ln_\3",
    r"transformer_blocks\.(\d+)\.(attn2?)\.to_out\.0": r"joint_blocks.\1.x_block.\2.proj",
    r"transformer_blocks\.(\d+)\.attn\.add_q_proj": r"joint_blocks.\1.context_block.attn.qkv",
    r"transformer_blocks\.(\d+)\.attn\.norm_added_([qk])": r"joint_blocks.\1.context_block.attn.ln_\2",
    r"transformer_blocks\.(\d+)\.attn\.to_add_out": r"joint_blocks.\1.context_block.attn.proj",
    r"transformer_blocks\.(\d+)\.ff\.net\.0\.proj": r"joint_blocks.\1.x_block.mlp.fc1",
    r"transformer_blocks\.(\d+)\.ff\.net\.2": r"joint_blocks.\1.x_block.mlp.fc2",
    r"transformer_blocks\.(\d+)\.ff_context\.net\.0\.proj": r"joint_blocks.\1.context_block.mlp.fc1",
    r"transformer_blocks\.(\d+)\.ff_context\.net\.2": r"joint_blocks.\1.context_block.mlp.fc2",
}


def original_transformer(tensors, names, *, last=-1):
    """A transformer's tensors by the original names, with queries, keys and values (and what is beside them) in one.

    `last`: the block whose text has the modulation of an output: there, as in the last layer, the halves are swapped.
    """
    made = {}
    for name, tensor in tensors.items():
        stem, dot, leaf = name.rpartition(".")
        stem, end = (name, "") if name == "pos_embed.pos_embed" else (stem, dot + leaf)
        if re.search(r"\.(to_[kv]|add_[kv]_proj|proj_mlp)$", stem):
            continue
        if match := re.fullmatch(r"time_text_embed\.(\w+)_embedder\.linear_([12])", stem) if names is FLUX else None:
            old = f"{TIME[match[1]]}_in.{('in', 'out')[int(match[2]) - 1]}_layer"
        else:
            old = next(re.sub(new, theirs, stem) for new, theirs in names.items() if re.fullmatch(new, stem))
        if re.search(r"\.(to_q|add_q_proj)$", stem):
            whole = [tensors[re.sub(r"q(_proj)?$", rf"{one}\1", stem) + end] for one in "qkv"]
            mlp = f"{stem.removesuffix('attn.to_q')}proj_mlp{end}"
            made[old + end] = torch.cat([*whole, *([tensors[mlp]] if stem.startswith("single_") else [])])
        elif stem in ("norm_out.linear", f"transformer_blocks.{last}.norm1_context.linear"):
            made[old + end] = torch.cat(tensor.chunk(2)[::-1])
        else:
            made[old + (".scale" if names is FLUX and old.endswith("_norm") else end)] = tensor
    return made


def with_wrapper(tensors):
    return {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in tensors.items()}


def prefixed(prefix, tensors):
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()}


def original_vae(tensors, blocks, prefix="first_stage_model."):
    made = {}
    for name, tensor in tensors.items():
        old = original_vae_name(name, blocks)
        made[prefix + old.removeprefix("first_stage_model.")] = original_tensor(old, tensor)
    return made


def original_unet(tensors, layers, plain_up):
    ends = {"add_embedding.linear_1.": "label_emb.0.0.", "add_embedding.linear_2.": "label_emb.0.2."}
    made = {}
    for name, tensor in tensors.items():
        old = original_unet_name(name, layers, plain_up).removeprefix(UNET)
        for new, theirs in ends.items():
            old = old.replace(new, theirs)
        made[UNET + old] = tensor
    return made


def transformer(kind, tensors, layers):
    if kind == "flux":
        return original_transformer(tensors, FLUX)
    return original_transformer(tensors, SD3, last=layers - 1)


def write_header(path, shapes, **metadata):
    """A checkpoint in half precision that takes no room: all its values are holes in the file."""
    entries, end = {"__metadata__": metadata}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * torch.Size(shape).numel()
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(file.tell() + end)
    return path
