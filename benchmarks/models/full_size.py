"""Build a pipeline directory of a published model's exact size with random weights, without a hub.

    python benchmarks/models/full_size.py sd15|sdxl|sd35-medium|flux DIRECTORY [--dtype float32|float16] [--seed 0]

``sd15`` is Stable Diffusion 1.5 (860 M parameters in the U-Net), ``sdxl`` Stable Diffusion XL (2.6 B), ``sd35-medium``
Stable Diffusion 3.5 medium (2.2 B in the transformer, 4.8 B in T5) and ``flux`` FLUX.1 dev (11.9 B, the same T5). The
modules are built on the `meta` device from the published sizes and every tensor is drawn, converted and written one at
a time, in shards like the published ones, so that memory stays at the largest tensor. The tokenizers know single bytes
or letters only: enough to run, not to draw. What such a model draws is noise; it serves to measure memory and time.
"""

from __future__ import annotations

import argparse
import json
import math
import string
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAFETENSORS_NAMES = {"float32": "F32", "float16": "F16"}
VOCABULARY = 49408
SHARD_BYTES = 5 * 10**9
_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


@dataclass(frozen=True)
class Model:
    """A published model: its pipeline, its modules on the meta device (no memory is taken), its scheduler."""

    pipeline: str
    modules: Callable[[], dict[str, torch.nn.Module]]
    scheduler: Callable[[], Any]
    index: dict[str, Any] = field(default_factory=dict)


def _autoencoder(*, sample_size: int, scaling: float, shift: float | None = None) -> AutoencoderKL:
    """Stable Diffusion's autoencoder, or with ``shift`` that of flow models: 16 channels, no `quant_conv`."""
    return AutoencoderKL(
        sample_size=sample_size,
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        scaling_factor=scaling,
        shift_factor=shift,
        latent_channels=4 if shift is None else 16,
        use_quant_conv=shift is None,
        use_post_quant_conv=shift is None,
    )


def _clip(width: int, layers: int, heads: int, *, projection: int = 768, act: str = "quick_gelu") -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        vocab_size=VOCABULARY,
        bos_token_id=VOCABULARY - 2,
        eos_token_id=VOCABULARY - 1,
        pad_token_id=VOCABULARY - 1,
        projection_dim=projection,
        hidden_act=act,
    )


def _sd15() -> dict[str, torch.nn.Module]:
    return {
        "unet": UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            layers_per_block=2,
            cross_attention_dim=768,
            attention_head_dim=8,
        ),
        "vae": _autoencoder(sample_size=512, scaling=0.18215),
        "text_encoder": CLIPTextModel(_clip(768, 12, 12)),
    }


def _sdxl() -> dict[str, torch.nn.Module]:
    return {
        "unet": UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=2,
            cross_attention_dim=2048,
            attention_head_dim=(5, 10, 20),
            transformer_layers_per_block=(1, 2, 10),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        ),
        "vae": _autoencoder(sample_size=1024, scaling=0.13025),
        "text_encoder": CLIPTextModel(_clip(768, 12, 12)),
        "text_encoder_2": CLIPTextModelWithProjection(_clip(1280, 32, 20, projection=1280, act="gelu")),
    }


def _t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            d_model=4096,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            num_heads=64,
            vocab_size=32128,
            feed_forward_proj="gated-gelu",
            dense_act_fn="gelu_new",
        )
    )


def _sd35_medium() -> dict[str, torch.nn.Module]:
    return {
        "transformer": SD3Transformer2DModel(
            sample_size=128,
            in_channels=16,
            out_channels=16,
            num_layers=24,
            attention_head_dim=64,
            num_attention_heads=24,
            joint_attention_dim=4096,
            caption_projection_dim=1536,
            pooled_projection_dim=2048,
            pos_embed_max_size=384,
            dual_attention_layers=tuple(range(13)),
            qk_norm="rms_norm",
        ),
        "vae": _autoencoder(sample_size=1024, scaling=1.5305, shift=0.0609),
        "text_encoder": CLIPTextModelWithProjection(_clip(768, 12, 12)),
        "text_encoder_2": CLIPTextModelWithProjection(_clip(1280, 32, 20, projection=1280, act="gelu")),
        "text_encoder_3": _t5(),
    }


def _flux() -> dict[str, torch.nn.Module]:
    return {
        "transformer": FluxTransformer2DModel(guidance_embeds=True),  # its defaults are FLUX.1's sizes
        "vae": _autoencoder(sample_size=1024, scaling=0.3611, shift=0.1159),
        "text_encoder": CLIPTextModel(_clip(768, 12, 12)),
        "text_encoder_2": _t5(),
    }


MODELS = {
    "sd15": Model(
        "StableDiffusionPipeline",
        _sd15,
        lambda: DDIMScheduler(**_BETAS, clip_sample=False, set_alpha_to_one=False),
        {"feature_extractor": [None, None], "requires_safety_checker": False, "safety_checker": [None, None]},
    ),
    "sdxl": Model(
        "StableDiffusionXLPipeline",
        _sdxl,
        lambda: EulerDiscreteScheduler(**_BETAS, timestep_spacing="leading"),
        {"force_zeros_for_empty_prompt": True},
    ),
    "sd35-medium": Model(
        "StableDiffusion3Pipeline",
        _sd35_medium,
        lambda: FlowMatchEulerDiscreteScheduler(shift=3.0),
        {"feature_extractor": [None, None], "image_encoder": [None, None]},
    ),
    "flux": Model(
        "FluxPipeline",
        _flux,
        lambda: FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, max_image_seq_len=4096
        ),
        {"feature_extractor": [None, None], "image_encoder": [None, None]},
    ),
}


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
    """Write the module's parameters as safetensors, in one file or in shards with their index."""
    size = np.dtype(dtype).itemsize
    shards: list[dict[str, torch.Size]] = [{}]
    filled = 0
    for name, tensor in module.state_dict().items():
        if filled and filled + tensor.numel() * size > SHARD_BYTES:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor.shape
        filled += tensor.numel() * size
    path.parent.mkdir(parents=True, exist_ok=True)
    if len(shards) == 1:
        _write_file(path, shards[0], dtype=dtype, seed=seed)
        return
    where = {}
    for number, shapes in enumerate(shards, start=1):
        file = path.with_name(f"{path.stem}-{number:05}-of-{len(shards):05}{path.suffix}")
        _write_file(file, shapes, dtype=dtype, seed=seed)
        where.update(dict.fromkeys(shapes, file.name))
    total = sum(tensor.numel() for tensor in module.state_dict().values()) * size
    index = {"metadata": {"total_size": total}, "weight_map": where}
    path.with_name(f"{path.name}.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _write_file(path: Path, shapes: dict[str, torch.Size], *, dtype: str, seed: int) -> None:
    """Write one file: an 8-byte length, a JSON header, then the tensors in turn."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + math.prod(shape) * np.dtype(dtype).itemsize
        header[name] = {"dtype": SAFETENSORS_NAMES[dtype], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            random_tensor(name, shape, seed=seed).astype(dtype).tofile(file)


def byte_symbols() -> Iterator[str]:
    """The printable stand-ins for the 256 bytes, as GPT-2's byte-level BPE defines them (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    yield from (chr(byte) for byte in plain)
    yield from (chr(256 + index) for index in range(256 - len(plain)))


def write_clip_tokenizer(folder: Path) -> None:
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


def write_t5_tokenizer(folder: Path) -> None:
    """Write a T5 tokenizer that splits into single letters."""
    letters = [(letter, -3.0 - index / 10) for index, letter in enumerate(string.ascii_lowercase)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0), *letters]
    T5TokenizerFast(vocab=pieces).save_pretrained(folder)


def build(model: Model, folder: Path, *, dtype: str, seed: int) -> None:
    """Write the whole pipeline directory."""
    index: dict[str, Any] = {"_class_name": model.pipeline, "_diffusers_version": "0.42.1", **model.index}
    with torch.device("meta"):
        modules = model.modules()
    for role, module in modules.items():
        library = type(module).__module__.partition(".")[0]
        if library == "transformers":
            module.config.save_pretrained(folder / role)
            name = "model.safetensors"
            is_t5 = isinstance(module, T5EncoderModel)
            tokenizer = role.replace("text_encoder", "tokenizer")
            index[tokenizer] = [library, "T5TokenizerFast" if is_t5 else "CLIPTokenizer"]
            (write_t5_tokenizer if is_t5 else write_clip_tokenizer)(folder / tokenizer)
        else:
            module.save_config(folder / role)
            name = "diffusion_pytorch_model.safetensors"
        index[role] = [library, type(module).__name__]
        write_weights(folder / role / name, module, dtype=dtype, seed=seed)
        print(role, sum(tensor.numel() for tensor in module.state_dict().values()), "parameters")
    scheduler = model.scheduler()
    scheduler.save_pretrained(folder / "scheduler")
    index["scheduler"] = ["diffusers", type(scheduler).__name__]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--dtype", choices=sorted(SAFETENSORS_NAMES), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build(MODELS[arguments.model], arguments.directory, dtype=arguments.dtype, seed=arguments.seed)
