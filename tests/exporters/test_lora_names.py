"""LoRAs of transformers by the names of their first publishers and trainers, against diffusers' own conversions.

The models are as wide as the published ones in what diffusers knows by heart, with four inputs to each matrix.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from diffusers.loaders import lora_conversion_utils as theirs
from original_names import FLUX, SD3, original_transformer
from safetensors.torch import save_file

from edgediff_runtimes.adapters.lora import LoraFile, bind

INPUTS, RANK, WIDTH = 4, 2, 3072
# Layers of FLUX.1, and how many widths of the model each gives.
BLOCK = {
    "img_mod.lin": 6, "txt_mod.lin": 6, "img_attn.qkv": 3, "txt_attn.qkv": 3, "img_attn.proj": 1, "txt_attn.proj": 1,
    "img_mlp.0": 4, "txt_mlp.0": 4, "img_mlp.2": 1, "txt_mlp.2": 1,
}  # fmt: skip
SINGLE = {"modulation.lin": 3, "linear1": 7, "linear2": 1}
AROUND = {
    "img_in": 1, "txt_in": 1, "final_layer.adaLN_modulation.1": 2,
    **{f"{name}_in.{layer}_layer": 1 for name in ("time", "guidance", "vector") for layer in ("in", "out")},
}  # fmt: skip


def flux(blocks, singles, around):
    layers = {f"double_blocks.{n}.{name}": rows for n in range(blocks) for name, rows in BLOCK.items()}
    layers |= {f"single_blocks.{n}.{name}": rows for n in range(singles) for name, rows in SINGLE.items()}
    sizes = {name: WIDTH * rows for name, rows in (layers | (AROUND if around else {})).items()}
    return sizes | {"final_layer.linear": 64}


def pairs(sizes, down="lora_A", up="lora_B"):
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, rows in sizes.items():
        made[f"{name}.{down}.weight"] = torch.randn(RANK, INPUTS, generator=generator)
        made[f"{name}.{up}.weight"] = torch.randn(rows, RANK, generator=generator)
    return made


def kohya():
    """With alphas but for the last layer, whose alpha diffusers passes over."""
    made = {}
    for key, value in pairs(flux(1, 1, around=True), "lora_down", "lora_up").items():
        layer, _, piece = key.rpartition(".lora_")
        flat = f"lora_unet_{layer}".replace(".", "_")
        made[f"{flat}.lora_{piece}"] = value
        if "final_layer" not in layer:
            made[f"{flat}.alpha"] = torch.tensor(0.5)
    return made


def x_labs():
    sizes = {
        "double_blocks.0.processor.qkv_lora1": 3 * WIDTH,
        "double_blocks.0.processor.qkv_lora2": 3 * WIDTH,
        "double_blocks.0.processor.proj_lora1": WIDTH,
        "double_blocks.0.processor.proj_lora2": WIDTH,
        "single_blocks.0.processor.qkv_lora": 3 * WIDTH,
        "single_blocks.0.processor.proj_lora": WIDTH,
    }
    return pairs(sizes, "down", "up")


def kontext():
    return {f"base_model.model.{key}": value for key, value in pairs(flux(19, 38, around=False)).items()}


def flux_2():
    sizes = {f"double_blocks.0.{name}": 8 * rows for name, rows in BLOCK.items() if "_mod" not in name}
    sizes |= {f"single_blocks.0.{name}": 8 * rows for name, rows in SINGLE.items() if "linear" in name}
    sizes |= dict.fromkeys(("img_in", "txt_in", "time_in.in_layer", "guidance_in.out_layer", "final_layer.linear"), 8)
    sizes |= {f"{name}_modulation{end}.lin": 8 for name, end in (("single_stream", ""), ("double_stream", "_txt"))}
    return {f"diffusion_model.{key}": value for key, value in pairs(sizes).items()}


def lumina_2():
    sizes = {}
    for block in ("layers.0", "noise_refiner.0", "context_refiner.0"):
        sizes |= {f"{block}.attention.qkv": 2304 + 2 * 768, f"{block}.attention.out": 8}
        sizes |= {f"{block}.feed_forward.w{number}": 8 for number in (1, 2, 3)}
        sizes |= {f"{block}.adaLN_modulation.1": 8} if block != "context_refiner.0" else {}
    return {f"diffusion_model.{key}": value for key, value in pairs(sizes).items()}


def z_image():
    sizes = dict.fromkeys(("layers.0.attention.to_q", "layers.0.attention.out", "noise_refiner.0.feed_forward.w1"), 8)
    return {f"diffusion_model.{key}": value for key, value in pairs(sizes, "lora_down", "lora_up").items()}


CASES = {
    "kohya": (kohya, theirs._convert_kohya_flux_lora_to_diffusers),
    "x-labs": (x_labs, theirs._convert_xlabs_flux_lora_to_diffusers),
    "kontext": (kontext, theirs._convert_fal_kontext_lora_to_diffusers),
    "flux.2": (flux_2, theirs._convert_non_diffusers_flux2_lora_to_diffusers),
    "lumina2": (lumina_2, theirs._convert_non_diffusers_lumina2_lora_to_diffusers),
    "z-image": (z_image, theirs._convert_non_diffusers_z_image_lora_to_diffusers),
}


def changed(tensors, shapes, folder):
    """What a file adds to parameters that are 0."""
    save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "x.safetensors")
    files = [(LoraFile.open(folder / "x.safetensors"), 1.0)]
    changes, (applied,) = bind(files, {"transformer": shapes}, network="transformer")
    assert applied.unbound == 0
    change = changes["transformer"]
    return {name: change.adapted(name, np.zeros(shapes[name], np.float32)) for name in change.layers}


@pytest.mark.parametrize("case", CASES)
def test_what_diffusers_makes_of_it(case, tmp_path):
    make, convert = CASES[case]
    converted = {key.removeprefix("transformer."): value for key, value in convert(dict(make())).items()}
    expected = {}
    for key, down in converted.items():
        layer, piece, _ = key.partition(".lora_A.")
        if piece:
            expected[f"{layer}.weight"] = (converted[f"{layer}.lora_B.weight"] @ down).numpy()
    ours = changed(make(), {name: value.shape for name, value in expected.items()}, tmp_path)
    assert ours.keys() == expected.keys()
    assert all(np.abs(ours[name] - value).max() <= 1e-5 for name, value in expected.items())


def small_flux():
    shape = {"attention_head_dim": 8, "num_attention_heads": 2, "joint_attention_dim": 12, "pooled_projection_dim": 10}
    return FluxTransformer2DModel(num_layers=2, num_single_layers=1, axes_dims_rope=(2, 2, 4), **shape)


def small_3():
    shape = {"attention_head_dim": 8, "num_attention_heads": 2, "joint_attention_dim": 12, "pooled_projection_dim": 10}
    return SD3Transformer2DModel(num_layers=2, caption_projection_dim=16, dual_attention_layers=(0,), **shape)


@pytest.mark.parametrize(("make", "names"), [(small_flux, FLUX), (small_3, SD3)], ids=["flux", "stable-diffusion-3"])
def test_whole_differences_by_the_names_of_checkpoints(make, names, tmp_path):
    """Every matrix: as a difference by diffusers' names, and the same by those of the lone checkpoint."""
    expected = {name: value.detach() for name, value in make().state_dict().items() if value.ndim > 1}
    expected.pop("pos_embed.pos_embed", None)
    original = original_transformer(expected, names, last=1 if names is SD3 else -1)
    file = {f"diffusion_model.{name.removesuffix('.weight')}.diff": value for name, value in original.items()}
    ours = changed(file, {name: tuple(value.shape) for name, value in expected.items()}, tmp_path)
    assert ours.keys() == expected.keys()
    assert all((ours[name] == value.numpy()).all() for name, value in expected.items())
