"""Build a pipeline directory of Stable Diffusion 1.5's exact size with random weights, without a hub.

    python benchmarks/models/build_sd15.py DIRECTORY [--dtype float32|float16] [--seed 0]

The modules are built on the `meta` device from the published sizes (860 M parameters in the U-Net) and every tensor
is drawn, converted and written one at a time, so that memory stays at the largest tensor. The tokenizer knows single
bytes only: enough to run, not to draw. What such a model draws is noise; it serves to measure memory and time.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

if TYPE_CHECKING:
    from collections.abc import Iterator

SAFETENSORS_NAMES = {"float32": "F32", "float16": "F16"}
VOCABULARY = 49408


def modules() -> dict[str, Any]:
    """The three modules on the meta device: no memory is taken."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            layers_per_block=2,
            cross_attention_dim=768,
            attention_head_dim=8,
        )
        vae = AutoencoderKL(
            sample_size=512,
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                projection_dim=768,
                vocab_size=VOCABULARY,
                bos_token_id=VOCABULARY - 2,
                eos_token_id=VOCABULARY - 1,
                pad_token_id=VOCABULARY - 1,
            )
        )
    return {"unet": unet, "vae": vae, "text_encoder": text_encoder}


def random_tensor(name: str, shape: torch.Size, *, seed: int) -> np.ndarray[Any, Any]:
    """Values that keep activations of order one: fan-in scaling for weights, about one for norms, small biases."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    values = rng.standard_normal(tuple(shape), dtype=np.float32)
    if len(shape) > 1:
        fan_in = math.prod(shape[1:])
        return values / np.float32(math.sqrt(fan_in) if "embedding" not in name else 50.0)
    centre = 1.0 if name.endswith("weight") else 0.0
    return np.float32(centre) + np.float32(0.05) * values


def write_weights(path: Path, module: torch.nn.Module, *, dtype: str, seed: int) -> None:
    """Write the module's parameters as safetensors: an 8-byte length, a JSON header, then the tensors in turn."""
    shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + math.prod(shape) * np.dtype(dtype).itemsize
        header[name] = {"dtype": SAFETENSORS_NAMES[dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            random_tensor(name, shape, seed=seed).astype(dtype).tofile(file)


def byte_symbols() -> Iterator[str]:
    """The printable stand-ins for the 256 bytes, as GPT-2's byte-level BPE defines them (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    yield from (chr(byte) for byte in plain)
    yield from (chr(256 + index) for index in range(256 - len(plain)))


def write_tokenizer(folder: Path) -> None:
    """Write a CLIP tokenizer of the full vocabulary size that splits into single bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    symbols = list(byte_symbols())
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols)]
    tokens += [f"unused{index}</w>" for index in range(VOCABULARY - 2 - len(tokens))]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    special = {"bos_token": tokens[-2], "eos_token": tokens[-1], "pad_token": tokens[-1], "unk_token": tokens[-1]}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2), encoding="utf-8")
    config = {**special, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "errors": "replace"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def build(folder: Path, *, dtype: str, seed: int) -> None:
    """Write the whole pipeline directory."""
    for role, module in modules().items():
        if role == "text_encoder":
            module.config.save_pretrained(folder / role)
            name = "model.safetensors"
        else:
            module.save_config(folder / role)
            name = "diffusion_pytorch_model.safetensors"
        write_weights(folder / role / name, module, dtype=dtype, seed=seed)
        print(role, sum(tensor.numel() for tensor in module.state_dict().values()), "parameters")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    write_tokenizer(folder / "tokenizer")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.1",
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--dtype", choices=sorted(SAFETENSORS_NAMES), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build(arguments.directory, dtype=arguments.dtype, seed=arguments.seed)
